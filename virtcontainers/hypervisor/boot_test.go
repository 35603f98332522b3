package hypervisor

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// TestBoot boots a real guest on each machine type of the host's architecture
// and reads the banner of its kernel from the console.
func TestBoot(t *testing.T) {
	kernel, initrd := os.Getenv("KATA_TEST_KERNEL"), os.Getenv("KATA_TEST_INITRD")
	if kernel == "" || initrd == "" {
		t.Skip("KATA_TEST_KERNEL and KATA_TEST_INITRD name no guest")
	}
	for _, machine := range []string{"q35", "microvm"} {
		t.Run(machine, func(t *testing.T) {
			cfg, spec := testConfig(t, machine), testSpec(t)
			cfg.EnableDebug = true
			spec.Kernel, spec.Initrd, spec.MemoryMiB = kernel, initrd, 256
			path := filepath.Join(spec.Dir, "console.sock")
			spec.Console = listen(t, path)
			vm := launch(t, cfg, spec)
			conn, err := sock.Dial(testContext(t), path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetReadDeadline(time.Now().Add(2 * deadline))
			host, err := os.ReadFile("/proc/version")
			if err != nil {
				t.Fatal(err)
			}
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				_, banner, found := strings.Cut(lines.Text(), "Linux version ")
				if found && strings.HasPrefix(string(host), "Linux version "+strings.Fields(banner)[0]+" ") {
					t.Fatalf("the guest's kernel is the host's: %s", banner)
				}
				if strings.Contains(lines.Text(), "Run /") {
					return
				}
			}
			t.Errorf("the kernel never ran its init: alive %v, %v", vm.Alive(), vm.ExitError())
		})
	}
}
