package config

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMistakesNameThePlace(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"unknown key": {"[hypervisor.qemu]\ndefault_memroy = 1\n",
			`c.toml:2: unknown key "default_memroy" in [hypervisor.qemu]: did you mean "default_memory"?`},
		"another case": {"\n[hypervisor.qemu]\nKernel = '/k'\n",
			`c.toml:3: unknown key "Kernel" in [hypervisor.qemu]: did you mean "kernel"?`},
		"key of another table": {"[runtime]\nshared_fs = 'auto'\n",
			`c.toml:2: unknown key "runtime.shared_fs": did you mean "hypervisor.qemu.shared_fs"?`},
		"key like nothing":  {"[runtime]\n\n\nxyzzy = 1\n", `c.toml:4: unknown key "runtime.xyzzy"`},
		"key without table": {"kernel = '/k'\n", `c.toml:1: unknown key "kernel": did you mean "hypervisor.qemu.kernel"?`},
		"quoted name":       {"[\"hypervisor.qemu\"]\nkernel = '/k'\n", `c.toml:1: unknown table ["hypervisor.qemu"]: did you mean "hypervisor.qemu"?`},
		"unknown table":     {"[hypervisor.qmeu]\nx=1\n", `c.toml:1: unknown table [hypervisor.qmeu]: did you mean "hypervisor.qemu"?`},
		"other hypervisor": {"[runtime]\n[hypervisor.firecracker]\npath='/fc'\n",
			`c.toml:2: table [hypervisor.firecracker]: this runtime drives QEMU only: use [hypervisor.qemu]`},
		"string for number": {"[hypervisor.qemu]\ndefault_memory = '2G'\n",
			`c.toml:2: hypervisor.qemu.default_memory: want a value of type whole number (MiB), not the string "2G"`},
		"number for bool":   {"[runtime]\nenable_debug = 1\n", `c.toml:2: runtime.enable_debug: want a value of type true or false, not 1`},
		"number in a list":  {"[hypervisor.qemu]\nvirtio_fs_extra_args = ['-d', 1]\n", `c.toml:2: hypervisor.qemu.virtio_fs_extra_args: want a value of type list of strings, not a list`},
		"value for table":   {"[hypervisor]\nqemu = 1\n", `c.toml:2: hypervisor.qemu has to be a table, not a whole number`},
		"list of tables":    {"[[runtime]]\nenable_debug = true\n", `c.toml:1: runtime has to be a table, not a list of tables`},
		"table for value":   {"[hypervisor.qemu]\nkernel = { path = '/k' }\n", `c.toml:2: hypervisor.qemu.kernel: want a value of type string, not a table`},
		"too much":          {"[hypervisor.qemu]\ndefault_memory = 99999999\n", `c.toml:2: hypervisor.qemu.default_memory: 99999999 is outside of the range 0 to 16777216 MiB`},
		"too little":        {"[hypervisor.qemu]\ndefault_vcpus = -2\n", `c.toml:2: hypervisor.qemu.default_vcpus: -2 is outside of the range -1 to 1024`},
		"not one of":        {"[hypervisor.qemu]\nmachine_type = 'q53'\n", `c.toml:2: hypervisor.qemu.machine_type: "q53" is none of "q35", "microvm", "virt": did you mean "q35"?`},
		"relative path":     {"[shim.kata]\npath = 'kata-shim'\n", `c.toml:2: shim.kata.path: "kata-shim" is not an absolute path`},
		"relative glob":     {"[hypervisor.qemu]\nvalid_kernel_paths = ['*']\n", `c.toml:2: hypervisor.qemu.valid_kernel_paths: "*" is not an absolute path`},
		"bad glob":          {"[hypervisor.qemu]\nvalid_kernel_paths = ['/[']\n", `c.toml:2: hypervisor.qemu.valid_kernel_paths: "/[" is not a valid glob`},
		"bad pattern":       {"[hypervisor.qemu]\nenable_annotations = ['(']\n", `c.toml:2: hypervisor.qemu.enable_annotations: "(" is not a valid pattern`},
		"line break":        {"[hypervisor.qemu]\nkernel = \"/a\\nb\"\n", `c.toml:2: hypervisor.qemu.kernel: "/a\nb" has a line break or a NUL in it`},
		"image and initrd":  {"[hypervisor.qemu]\nimage = '/i'\n\ninitrd = '/j'\n", `c.toml:2: hypervisor.qemu.image is set, and hypervisor.qemu.initrd at c.toml:4: set one of them to ""`},
		"neither":           {"[hypervisor.qemu]\ninitrd = ''\n", `c.toml:2: neither hypervisor.qemu.initrd nor hypervisor.qemu.image is set: the guest needs one of them`},
		"not TOML":          {"[runtime]\nenable_debug = yes\n", `c.toml:2: expected value but found "yes" instead`},
		"twice":             {"[runtime]\nenable_debug = true\nenable_debug = true\n", `c.toml:3: Key 'runtime.enable_debug' has already been defined.`},
		"first of several":  {"[runtime]\nb = 1\na = 1\n[shim.kata]\nc = 1\n", `c.toml:2: unknown key "runtime.b" (and 2 more in this file)`},
		"package's check":   {"[hypervisor.qemu]\n\nmsize_9p = 100\n", `c.toml:3: [hypervisor.qemu] msize_9p = 100: must be 4096 to 16777216`},
		"package's, across": {"[runtime]\ndisable_new_netns = true\n", `c.toml:2: [runtime] disable_new_netns needs internetworking_model = "none", not "tcfilter"`},
		"far down":          {"# one\n[hypervisor.qemu]\nkernel_params = '''a\nb = \"#\"'''\n", `c.toml:3: hypervisor.qemu.kernel_params: "a\nb = \"#\"" has a line break or a NUL in it`},
		"behind a list": {"[hypervisor.qemu]\nvirtio_fs_extra_args = [\n'a', # ] \"\n'[runtime]',\n]\nx_y_z = 1\n",
			`c.toml:6: unknown key "hypervisor.qemu.x_y_z"`},
	} {
		t.Run(name, func(t *testing.T) {
			c, o, err := Parse("c.toml", []byte(test.text))
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if c != nil || o != nil {
				t.Error("a configuration in spite of the error")
			}
		})
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	huge := write(t, filepath.Join(dir, "huge.toml"), strings.Repeat("#\n", maxFile))
	bad := write(t, filepath.Join(dir, "bad/main.toml"), "")
	write(t, filepath.Join(dir, "bad/config.d/1.toml"), "[runtime]\nx = 1\n")
	for path, want := range map[string]string{
		filepath.Join(dir, "none.toml"): "none.toml: no such file",
		dir:                             "is not a file",
		huge:                            "more than the 1048576",
		bad:                             filepath.Join(dir, "bad/config.d/1.toml") + `:2: unknown key "runtime.x"`,
	} {
		if _, _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", path, err, want)
		}
	}
	// Opening a fifo would wait for a writer that never comes.
	fifo := filepath.Join(dir, "fifo.toml")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(fifo); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("fifo: got %v", err)
	}
}

func TestByteOrderMarkAndLineEnds(t *testing.T) {
	c, o, err := Parse("c", []byte("\xef\xbb\xbf[runtime]\r\n\r\nenable_debug = true\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Runtime.EnableDebug || o.Of("runtime.enable_debug").Line != 3 {
		t.Errorf("%v from %v", c.Runtime.EnableDebug, o.Of("runtime.enable_debug"))
	}
}
