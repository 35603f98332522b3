package hypervisor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// TestGuestWithKeptTranslations has one VM record what it translates, and others
// use it: one of the same code, which translates hardly anything, one of another
// kernel, and one whose CPU can less. All boot.
func TestGuestWithKeptTranslations(t *testing.T) {
	qemu, kernel, initrd := os.Getenv("KATA_TEST_QEMU"), os.Getenv("KATA_TEST_KERNEL"), os.Getenv("KATA_TEST_INITRD")
	if qemu == "" || kernel == "" || initrd == "" {
		t.Skip("KATA_TEST_QEMU names no QEMU that keeps translations (make qemu), or KATA_TEST_KERNEL and KATA_TEST_INITRD no guest")
	}
	kept := filepath.Join(t.TempDir(), "translations")
	boot := func(t *testing.T, change func(*Config, *Spec)) (*VM, *Monitor) {
		t.Helper()
		cfg, spec := testConfig(t, "q35"), testSpec(t)
		cfg.Path, cfg.Accelerator, cfg.EnableDebug = qemu, AccelTCG, true
		spec.Kernel, spec.Initrd, spec.MemoryMiB = kernel, initrd, 256
		change(cfg, spec)
		path := filepath.Join(spec.Dir, "console.sock")
		spec.Console = listen(t, path)
		vm := launch(t, cfg, spec)
		untilInit(t, path)
		return vm, monitor(t, vm)
	}
	use := func(_ *Config, spec *Spec) {
		f, err := os.Open(kept)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		spec.Translations = f
	}
	// For so many CPUs QEMU divides its buffer into parts smaller than what is recorded.
	vm, m := boot(t, func(_ *Config, spec *Spec) { spec.RecordTranslations, spec.MaxVCPUs = kept, 64 })
	ctx, cancel := context.WithTimeout(testContext(t), deadline)
	defer cancel()
	if err := m.Quit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := vm.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	t.Run("the same", func(t *testing.T) {
		_, m := boot(t, use)
		if found, others := keptBlocks(t, m); found < 20*others || found == 0 {
			t.Errorf("%d blocks were kept and %d translated", found, others)
		}
	})
	t.Run("another kernel", func(t *testing.T) {
		other := os.Getenv("KATA_TEST_TUNED_KERNEL")
		if other == "" {
			t.Skip("KATA_TEST_TUNED_KERNEL names no kernel (make kernel)")
		}
		_, m := boot(t, func(cfg *Config, spec *Spec) { use(cfg, spec); spec.Kernel = other })
		if found, others := keptBlocks(t, m); found > others {
			t.Errorf("%d blocks of another kernel were used, and %d translated", found, others)
		}
	})
	t.Run("another CPU", func(t *testing.T) {
		vm, m := boot(t, func(cfg *Config, spec *Spec) { use(cfg, spec); cfg.CPUFeatures = "avx=off" })
		if found, _ := keptBlocks(t, m); found != 0 {
			t.Errorf("%d blocks of another CPU were used", found)
		}
		if said := logTail(filepath.Join(filepath.Dir(vm.QMP), LogFile)); !strings.Contains(said, "another CPU") {
			t.Errorf("QEMU said %q", said)
		}
	})
}

// keptBlocks answers how many translations were kept ones, and how many not.
func keptBlocks(t *testing.T, m *Monitor) (found, others int) {
	t.Helper()
	var text string
	if err := m.do(testContext(t), "human-monitor-command", map[string]any{"command-line": "info jit"}, &text); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		var all int
		if n, _ := fmt.Sscanf(line, "kept translations %d of %d, %d others", &found, &all, &others); n == 3 {
			return found, others
		}
	}
	t.Fatalf("QEMU does not speak of kept translations: %s", text)
	return 0, 0
}

// untilInit reads the console until the kernel runs its init.
func untilInit(t *testing.T, path string) {
	t.Helper()
	conn, err := sock.Dial(testContext(t), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(2 * deadline))
	buf, text := make([]byte, 4096), ""
	for !strings.Contains(text, "Run /") {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("the kernel never ran its init: %v: %s", err, text)
		}
		text += string(buf[:n])
	}
}

func TestTranslationsOnTheCommandLine(t *testing.T) {
	for _, tc := range []struct {
		accel string
		spec  Spec
		want  string
	}{
		{AccelTCG, Spec{}, ""},
		{AccelTCG, Spec{RecordTranslations: "/a,b"}, "tcg,tb-record=/a,,b"},
		{AccelTCG, Spec{Translations: os.Stdin}, "tcg,tb-keep=/proc/self/fd/3"},
		{AccelKVM, Spec{Translations: os.Stdin, RecordTranslations: "/a"}, ""},
	} {
		c := &cmdline{spec: &tc.spec, accel: tc.accel}
		if got := c.translations(); got != tc.want {
			t.Errorf("%s, %+v: %q, want %q", tc.accel, tc.spec, got, tc.want)
		}
	}
}
