package hypervisor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"strings"
)

// TranslationsKey names the VMs that execute the same code, nearly: QEMU without
// KVM translates it for each anew, unless it gets what one of them has recorded
// (Spec.Translations). The key only says what is worth a try: QEMU takes a piece
// only if the guest's code is what it was made of, and a file only if it is of the
// same QEMU and a host's CPU with the same features. It is empty where nothing is
// translated, or where QEMU could not keep it.
func TranslationsKey(cfg *Config, spec *Spec) (string, error) {
	plain := *spec
	plain.Incoming, plain.Memory = false, nil
	c, err := newCmdline(cfg, &plain)
	if err != nil || c.accel != AccelTCG || c.machine.arch != "amd64" {
		return "", err
	}
	binary, err := exec.LookPath(cfg.binary())
	if err != nil {
		return "", cfg.binaryError(err)
	}
	sum := sha256.New()
	// Where there may be a second CPU, QEMU translates in another way.
	fmt.Fprintf(sum, "translations\x00%s\x00%s\x00%t\x00%t\x00", c.machine.name, c.cpu(), spec.MaxVCPUs > 1, spec.Incoming)
	if _, err := lookAll(sum, binary, spec.Kernel, spec.Initrd, spec.Image); err != nil {
		return "", err
	}
	return key(sum), nil
}

// translations answers what -accel takes, if QEMU is to record or to use any.
func (c *cmdline) translations() string {
	switch {
	case c.accel != AccelTCG:
		return ""
	case c.spec.RecordTranslations != "":
		return "tcg,tb-record=" + esc(c.spec.RecordTranslations)
	case c.spec.Translations != nil:
		return fmt.Sprintf("tcg,tb-keep=/proc/self/fd/%d", c.fd(c.spec.Translations))
	}
	return ""
}

// CanKeepTranslations asks the configured QEMU whether it can do with
// translations what Spec.Translations and RecordTranslations want of it. For
// that it starts a QEMU without a machine, which ends by itself; ctx limits it.
func CanKeepTranslations(ctx context.Context, cfg *Config) (bool, error) {
	binary, err := exec.LookPath(cfg.binary())
	if err != nil {
		return false, cfg.binaryError(err)
	}
	cmd := exec.CommandContext(ctx, binary, "-machine", "none", "-accel", "tcg", "-nodefaults", "-display", "none", "-qmp", "stdio")
	cmd.Stdin = strings.NewReader(`{"execute": "qmp_capabilities"}
{"execute": "qom-list-properties", "arguments": {"typename": "tcg-accel"}}
{"execute": "quit"}
`)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return false, fmt.Errorf("ask %s: %w: %s", binary, err, strings.TrimSpace(stderr.String()))
	}
	return bytes.Contains(stdout.Bytes(), []byte(`"tb-keep"`)), nil
}
