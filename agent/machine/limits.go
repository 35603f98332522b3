package machine

// limits are the settings that the kernel reckons by the memory that it boots
// with. A guest boots with little, and gets more when containers need it.
var limits = []sysctl{
	// As many threads as there can be ids: the kernel's PID_MAX_LIMIT on 64 bits
	// (include/linux/threads.h). It would take up to FUTEX_TID_MASK (2^30-1;
	// kernel/fork.c, sysctl_max_threads), by itself it takes an eighth of the memory.
	{"kernel/threads-max", "4194304"},
	// What systemd sets on a host (src/core/main.c, bump_file_max_and_nr_open), so
	// that a container can ask for as many files as there. What a process may open
	// by itself is in pid1.c.
	{"fs/nr_open", "1073741816"},
	{"fs/file-max", "9223372036854775807"},
	// As many files as a user may watch where there is much memory: the kernel takes
	// a hundredth of it, between 8192 and this (fs/notify/inotify/inotify_user.c).
	// What watches take, the container's memory limit counts.
	{"fs/inotify/max_user_watches", "1048576"},
}

// RaiseLimits makes the guest's kernel bear as many threads, open and watched files
// as that of a host: the containers' own limits count.
func RaiseLimits() error { return set(sysctls, limits) }
