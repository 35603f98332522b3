package floor

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/kata-go/kata-runtime/osbuilder/cpio"
	"github.com/kata-go/kata-runtime/osbuilder/guest"
	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

//go:embed guest/init.c
var initSource []byte

// lastModule is the driver of the serial port; what the image lists behind it
// the bare guest does not load.
const lastModule = "virtio_console"

// compile builds the guest's init, static, and answers the binary.
func compile(ctx context.Context, dir string) ([]byte, error) {
	out := filepath.Join(dir, "floor-init")
	cmd := exec.CommandContext(ctx, "cc", "-x", "c", "-Os", "-static", "-s", "-Wall", "-o", out, "-")
	cmd.Stdin = bytes.NewReader(initSource)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the bare guest's init: %w: %s", err, bytes.TrimSpace(text))
	}
	return os.ReadFile(out)
}

// modules answers what has to be loaded until the serial port is there, in
// order: taken from the sandbox's own initrd, so that both load the same.
func modules(initrd string) ([][]byte, error) {
	if initrd == "" {
		return nil, nil // a kernel that boots an image has its drivers built in
	}
	data, err := os.ReadFile(initrd)
	if err != nil {
		return nil, err
	}
	files, err := archive(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", initrd, err)
	}
	var list [][]byte
	for _, file := range strings.Fields(string(files[guest.ModuleList])) {
		module, there := files[strings.TrimPrefix(file, "/")]
		if !there {
			return nil, fmt.Errorf("%s: lists the module %s and does not have it", initrd, file)
		}
		list = append(list, module)
		if strings.TrimSuffix(path.Base(file), ".ko") == lastModule {
			break
		}
	}
	return list, nil
}

// writeInitrd writes an archive with the init and the modules.
func writeInitrd(file string, init []byte, modules [][]byte) error {
	t := new(tree.Tree)
	if err := t.Add(tree.Entry{Path: "init", Perm: 0o755, Data: init}); err != nil {
		return err
	}
	for i, data := range modules {
		if err := t.Add(tree.Entry{Path: fmt.Sprintf("modules/%02d", i), Perm: 0o644, Data: data}); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	if err := cpio.Write(&out, t.Sorted(), 0); err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o600)
}

// AgentSize answers the size of an initrd's init in bytes.
func AgentSize(initrd string) (int64, error) {
	data, err := os.ReadFile(initrd)
	if err != nil {
		return 0, err
	}
	files, err := archive(data)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", initrd, err)
	}
	return int64(len(files["init"])), nil
}
