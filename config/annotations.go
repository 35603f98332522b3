package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// AnnotationPrefix begins the names of the annotations that change settings,
// as in Kata Containers 1.x: "io.katacontainers.config.hypervisor.kernel".
const AnnotationPrefix = "io.katacontainers.config."

// enableAnnotations is the key with the patterns of what annotations may set.
const enableAnnotations = "hypervisor.qemu.enable_annotations"

// ErrForbidden is the answer to an annotation that the administrator has not
// enabled.
var ErrForbidden = errors.New("not enabled by enable_annotations in [hypervisor.qemu]")

// AnnotationError is the answer to an annotation that cannot be applied.
type AnnotationError struct{ err error }

func (e *AnnotationError) Error() string { return e.err.Error() }
func (e *AnnotationError) Unwrap() error { return e.err }

// ApplyAnnotations answers a copy of c with what the annotations of a sandbox
// change in it; annotations of other names are ignored, and c stays as it is.
//
// Annotations come from whoever may create a pod, so nothing is allowed but
// what enable_annotations names; a value has to keep the limits of its key,
// and a path of the host has to match one of the globs of the key's list too.
// An error is an *AnnotationError and names the annotation.
func ApplyAnnotations(c *Config, annotations map[string]string) (*Config, error) {
	changed, err := applyAnnotations(c, annotations)
	if err != nil {
		return nil, &AnnotationError{err}
	}
	return changed, nil
}

func applyAnnotations(c *Config, annotations map[string]string) (*Config, error) {
	changed := c.Clone()
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		short, ours := strings.CutPrefix(name, AnnotationPrefix)
		if !ours {
			continue
		}
		if err := annotate(changed, c, short, annotations[name]); err != nil {
			return nil, fmt.Errorf("annotation %s: %w", name, err)
		}
	}
	if err := validate(changed, nil); err != nil {
		return nil, fmt.Errorf("annotations: %w", err)
	}
	q := &changed.Hypervisor.QEMU
	// A pod that brings an image of one kind replaces the other kind.
	switch {
	case q.Image != c.Hypervisor.QEMU.Image && q.Initrd == c.Hypervisor.QEMU.Initrd && q.Image != "":
		q.Initrd = ""
	case q.Initrd != c.Hypervisor.QEMU.Initrd && q.Image == c.Hypervisor.QEMU.Image && q.Initrd != "":
		q.Image = ""
	}
	if (q.Image == "") == (q.Initrd == "") {
		return nil, fmt.Errorf("annotations %shypervisor.image, %shypervisor.initrd: exactly one of them has to be set",
			AnnotationPrefix, AnnotationPrefix)
	}
	return changed, nil
}

// annotationIndex maps the names behind AnnotationPrefix to their keys.
func annotationName(k *Key) string {
	if k.Annotation != "" {
		return k.Annotation
	}
	// "hypervisor.qemu.kernel" is annotated as "hypervisor.kernel".
	component, _, _ := strings.Cut(k.Name, ".")
	return component + "." + k.Base()
}

// annotate sets one key in to; limits come from the administrator's config.
func annotate(to, config *Config, short, text string) error {
	k, err := annotated(short)
	if err != nil {
		return err
	}
	enabled, err := annotationEnabled(config.Hypervisor.QEMU.EnableAnnotations, short)
	if err != nil {
		return err
	}
	if !enabled {
		return ErrForbidden
	}
	v, err := k.parse(text)
	if err != nil {
		return err
	}
	if v, err = k.check(v); err != nil {
		return err
	}
	if s, ok := v.(string); ok && k.Old[s] != "" {
		v = k.Old[s]
	}
	if k.Path == HostPath {
		if err := hostPathAllowed(config, k, v.(string)); err != nil {
			return err
		}
	}
	if k.Name == "hypervisor.qemu.kernel_params" {
		// As in Kata 1.x they are added, so that a pod need not know the rest.
		v = strings.TrimSpace(get(to, k).(string) + " " + v.(string))
	}
	return set(to, k, v)
}

func annotated(short string) (*Key, error) {
	var names []string
	for i := range schema() {
		k := &schema()[i]
		if k.NoAnnotation {
			continue
		}
		if annotationName(k) == short {
			return k, nil
		}
		names = append(names, annotationName(k))
	}
	return nil, fmt.Errorf("no setting of that name can be changed by an annotation%s", suggestion(short, names))
}

// annotationEnabled tells whether one of the patterns names the annotation.
func annotationEnabled(patterns []string, short string) (bool, error) {
	for _, p := range patterns {
		expr, err := annotationPattern(p)
		if err != nil {
			return false, err
		}
		if expr.MatchString(short) {
			return true, nil
		}
	}
	return false, nil
}

// annotationPattern compiles an entry of enable_annotations. As in Kata 1.x it
// is a regular expression for the whole name of a key in [hypervisor.qemu];
// with "runtime." or "agent." before it, of a key in those tables. A star
// behind a letter, as in a glob ("default_*"), stands for any text, because as
// a regular expression it could only be a mistake.
func annotationPattern(p string) (*regexp.Regexp, error) {
	component := "hypervisor"
	for _, c := range []string{"hypervisor", "runtime", "agent"} {
		if rest, ok := strings.CutPrefix(p, c+"."); ok {
			component, p = c, rest
		}
	}
	expr := globStar().ReplaceAllString(p, "$1.*")
	compiled, err := regexp.Compile("^" + component + `\.(?:` + expr + ")$")
	if err != nil {
		return nil, fmt.Errorf("%q is not a valid pattern", p)
	}
	return compiled, nil
}

var globStar = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(^|[a-z0-9_])\*`) })

// parse turns an annotation's text into the key's type. Lists have semicolons
// between their elements, as in Kata 1.x.
func (k *Key) parse(text string) (any, error) {
	switch k.Default.(type) {
	case bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return b, nil
	case int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number", text)
		}
		return n, nil
	case []string:
		list := []any{}
		for _, e := range strings.Split(text, ";") {
			if e = strings.TrimSpace(e); e != "" {
				list = append(list, e)
			}
		}
		return list, nil
	}
	return text, nil
}

// hostPathAllowed holds a path against the key's list; what the configuration
// itself has is allowed.
func hostPathAllowed(config *Config, k *Key, path string) error {
	if path == get(config, k) {
		return nil
	}
	if filepath.Clean(path) != path {
		return fmt.Errorf("%q is not a clean absolute path", path)
	}
	if k.AllowList != "" {
		for _, glob := range get(config, find(k.AllowList)).([]string) {
			if ok, _ := filepath.Match(glob, path); ok {
				return nil
			}
		}
	}
	if k.AllowList == "" {
		return fmt.Errorf("%w: no list allows a path for %s", ErrForbidden, k.Base())
	}
	return fmt.Errorf("%q matches none of the globs in %s", path, k.AllowList)
}
