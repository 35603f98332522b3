// What runs before the Go runtime, in a process that the kernel made PID 1 of
// the guest, and the process that holds a shared pid namespace open.
//
// PID 1 stays in this C code for good: it forks, the child goes on into Go as
// the agent, and the parent only reaps. So orphans go to a process that has no
// other children, and the agent's waits (libcontainer's, os/exec's, its own)
// can neither lose an exit status to a reaper nor steal one from another. The
// parent shares its few pages with the child and never starts a Go runtime.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/magic.h>

// Set in the child of PID 1; Go reads it.
int kata_is_init = 0;

// Level 0 (emergency) reaches the console in spite of "quiet".
static void complain(const char *text, int number)
{
	char line[128];
	int n = snprintf(line, sizeof line, "<0>kata-agent: %s (%d)\n", text, number);
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && n > 0)
		(void)!write(fd, line, n);
	if (fd >= 0)
		close(fd);
}

// In an initramfs "/" is the kernel's rootfs, the one mount without a parent,
// and pivot_root(2) refuses that. A container could then only be put into its
// root by MS_MOVE and chroot, which a process with CAP_SYS_CHROOT walks out
// of, and which leaves the guest's own mounts reachable. So a bind mount of the
// rootfs is moved on top of it and made the root: it has a parent, pivot_root
// works in each container, and the old root is detached from the container's
// mount namespace as on any disk. No byte is copied, unlike with a switch to a
// tmpfs.
static void cover_rootfs(void)
{
	struct statfs fs;

	if (statfs("/", &fs) || (fs.f_type != RAMFS_MAGIC && fs.f_type != TMPFS_MAGIC))
		return;
	mkdir("/run", 0755);
	if (mount("/", "/run", NULL, MS_BIND, NULL) || chdir("/run") ||
	    mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		complain("cannot cover the initramfs", errno);
}

// The Go runtime refuses to start with descriptors 0 to 2 closed and no
// /dev/null, and an init gets them closed if the initramfs has no /dev/console.
static void open_stdio(void)
{
	int fd;

	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
	do {
		fd = open("/dev/console", O_RDWR | O_NOCTTY);
		if (fd < 0)
			fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < 2);
	if (fd > 2)
		close(fd);
}

// reap waits for children for ever; it returns the status of the one named.
static int reap(pid_t agent)
{
	int status;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (;;) {
		pid_t pid = waitpid(-1, &status, 0);

		if (pid > 0 && pid == agent)
			return status;
		if (pid < 0 && errno == ECHILD)
			sigwaitinfo(&set, NULL);
	}
}

static void be_init(void)
{
	// Containers without limits of their own inherit these. The figure is what
	// the kernel's fs.nr_open is at first. The others are what Docker's and
	// containerd's units have on a host: the kernel reckons its own by the memory
	// that it boots with (kernel/fork.c, fork_init), and a guest boots with little.
	struct rlimit files = { 1048576, 1048576 };
	struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	// Where a core file goes is the guest's to say: into the working folder, so onto
	// the host's disk. Who wants one asks for it.
	struct rlimit core = { 0, RLIM_INFINITY };
	sigset_t set;
	pid_t agent;
	int status;

	cover_rootfs();
	open_stdio();
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_NPROC, &none);
	setrlimit(RLIMIT_SIGPENDING, &none);
	setrlimit(RLIMIT_CORE, &core);
	agent = fork();
	if (agent == 0) {
		kata_is_init = 1;
		setsid();
		return;
	}
	if (agent < 0) {
		complain("cannot fork", errno);
		reboot(RB_AUTOBOOT);
	}
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	close(0);
	close(1);
	close(2);
	status = reap(agent);
	complain("the agent has ended, and the guest with it; wait status", status);
	sync();
	// A restart, not a power-off: every machine can do that, and QEMU runs
	// with -no-reboot, so that it ends.
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

// A pause process: PID 1 of a shared pid namespace. It adopts and reaps what
// the containers leave behind; without handlers no signal of theirs ends it.
static void be_pause(void)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	reap(0);
}

// Go's runtime has a thread that looks after the others. While there is work it
// asks to sleep 20 microseconds at a time (runtime/proc.go, sysmon), and each
// time the guest programs its clock, takes an interrupt and switches threads
// twice: without KVM a quarter of all that the guest does. The thread is made
// before any Go code of ours runs and takes over the slack of its maker's
// timers. With four milliseconds, the time between two ticks of the kernel's
// clock (HZ=250), a busy guest wakes it by a tick that comes anyway, and a
// thread that blocks in the kernel is still replaced soon.
// The thread that goes on takes the usual slack again (package initproc), and
// so does what that one makes and executes.
static void calm_runtime(void)
{
	prctl(PR_SET_TIMERSLACK, 4UL * 1000 * 1000, 0, 0, 0);
}

__attribute__((constructor)) static void kata_pid1(int argc, char **argv, char **envp)
{
	(void)envp;
	calm_runtime();
	if (getenv("_LIBCONTAINER_INITPIPE"))
		return;
	if (argc == 2 && strcmp(argv[1], "pause") == 0)
		be_pause();
	else if (getpid() == 1)
		be_init();
}
