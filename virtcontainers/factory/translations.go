package factory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Translations holds what QEMU without KVM has translated, in KEY/translations;
// with that it is a folder as that of the templates, but for the tmpfs: what is
// in it may outlive the host's boot.
type Translations struct{ Folder }

const translationsFile = "translations"

// maxTranslations is how many files are kept: kernels, images and QEMUs come
// and go. Beyond that the oldest goes.
const maxTranslations = 6

// Open answers the file of a key (hypervisor.TranslationsKey), or ErrNone. Who
// may write to it may run what he likes as QEMU, so it has to be ours alone.
func (t *Translations) Open(key string) (*os.File, error) {
	f, err := os.Open(filepath.Join(t.path, key, translationsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err == nil {
		err = t.private()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("kept translations: %w", err)
	}
	return f, nil
}

// Record has record write the file of a key, with work, an empty folder, to its
// use, and makes it the one that Open answers. vms is the root of the sandbox
// that it makes. The error is ErrBusy while another process is at it; any other is
// noted (Failed), unless ctx has ended.
func (t *Translations) Record(ctx context.Context, key string, record func(work, vms, file string) error) error {
	lock, err := t.Lock()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := os.MkdirAll(t.path, 0o700); err != nil {
		return fmt.Errorf("kept translations: %w", err)
	}
	if err := t.private(); err != nil {
		return err
	}
	draft := filepath.Join(t.path, draftDir)
	if err := errors.Join(os.RemoveAll(draft), os.Mkdir(draft, 0o700)); err != nil {
		return fmt.Errorf("kept translations: %w", err)
	}
	done := filepath.Join(draft, key)
	if err := os.Mkdir(done, 0o700); err != nil {
		return fmt.Errorf("kept translations: %w", err)
	}
	file := filepath.Join(done, translationsFile)
	err = record(draft, lock.VMDir(), file)
	if err == nil {
		_, err = os.Stat(file)
	}
	if err == nil {
		err = lock.replace(done, key)
	}
	if err != nil && ctx.Err() == nil {
		note := os.WriteFile(filepath.Join(t.path, key+failedSuffix), []byte(err.Error()+"\n"), 0o600)
		err = errors.Join(err, note)
	}
	return errors.Join(err, os.RemoveAll(draft), os.RemoveAll(lock.VMDir()))
}

// replace gives a complete folder its name, and removes the oldest ones.
func (l *Locked) replace(done, key string) error {
	keys, err := l.keys()
	if err != nil {
		return err
	}
	keys = slices.DeleteFunc(keys, func(k string) bool { return k == key })
	slices.SortFunc(keys, func(a, b string) int { return l.made(a).Compare(l.made(b)) })
	drop := append(keys[:max(0, len(keys)+1-maxTranslations)], key)
	if err := l.remove(drop); err != nil {
		return err
	}
	return os.Rename(done, filepath.Join(l.path, key))
}

func (l *Locked) made(key string) time.Time {
	info, err := os.Stat(filepath.Join(l.path, key))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Kept is what is there for a key.
type Kept struct {
	Key string `json:"key"`
	// Bytes is the file's size.
	Bytes int64     `json:"bytes"`
	Made  time.Time `json:"made"`
}

// Kept answers what there is, the oldest first.
func (t *Translations) Kept() ([]Kept, error) {
	keys, err := t.keys()
	if err != nil {
		return nil, err
	}
	var list []Kept
	for _, key := range keys {
		info, err := os.Stat(filepath.Join(t.path, key, translationsFile))
		if err != nil {
			continue // it is being removed
		}
		list = append(list, Kept{Key: key, Bytes: info.Size(), Made: info.ModTime()})
	}
	slices.SortFunc(list, func(a, b Kept) int { return a.Made.Compare(b.Made) })
	return list, nil
}
