package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBlockNode(t *testing.T) {
	disks, err := filepath.Glob("/sys/class/block/*")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, disk := range disks {
		var st unix.Stat_t
		node := "/dev/" + strings.ReplaceAll(filepath.Base(disk), "!", "/")
		if unix.Stat(node, &st) != nil {
			continue // a host without that node
		}
		tried++
		got, err := blockNode(int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev)))
		if err != nil || got != node {
			t.Errorf("%s: %q, %v", node, got, err)
		}
	}
	if tried == 0 {
		if _, err := os.Stat("/sys/class/block"); err != nil {
			t.Skip("this host has no block devices to look at")
		}
	}
	// 254 partitions of a floppy disk are more than there are.
	if _, err := blockNode(2, 254); err == nil || !strings.Contains(err.Error(), "no block device 2:254") {
		t.Errorf("a device that is not there: %v", err)
	}
}
