// The first program of the bare guest: as little as a guest can do. It is C,
// because a Go program needs longer to start than all that it does here.
//
// Parameters that the kernel does not know come as environment variables:
//   floor=line    print a line, end the machine
//   floor=serial  load MODULES files /modules/NN, answer on the serial port, wait
//   floor=stream  the same, and then do what comes in by the port: after an 'o'
//                 write BYTES bytes to it, after an 'i' read as many and answer
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		return;
	// A machine that ends at once loses what its UART still holds.
	tcdrain(1);
}

static void load_modules(int count)
{
	char path[32];
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof path, "/modules/%02d", i);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0) {
			perror(path);
			say("floor: a module does not load\n");
		}
		close(fd);
	}
}

// The port appears some time after its driver. Its node is there a moment
// before the driver can find the port, and until then open says ENXIO.
static int open_port(int flags)
{
	char event[4096];
	mkdir("/dev", 0755);
	if (mount("dev", "/dev", "devtmpfs", 0, "") != 0)
		say("floor: no devtmpfs\n");
	int watch = inotify_init();
	inotify_add_watch(watch, "/dev", IN_CREATE);
	for (;;) {
		int fd = open("/dev/vport0p1", flags);
		if (fd >= 0)
			return fd;
		if (errno == ENXIO) {
			sched_yield();
			continue;
		}
		if (read(watch, event, sizeof event) < 0)
			say("floor: cannot wait for the port\n");
	}
}

// Moves as much as the port does when nothing is in its way: large writes, and
// reads of as much as there is.
static void stream(int port, long bytes)
{
	static char buffer[64 << 10];
	char order;
	if (write(port, "!", 1) != 1)
		say("floor: the port takes nothing\n");
	while (read(port, &order, 1) == 1) {
		for (long left = bytes; left > 0;) {
			size_t most = left < (long)sizeof buffer ? (size_t)left : sizeof buffer;
			ssize_t n = order == 'o' ? write(port, buffer, most) : read(port, buffer, most);
			if (n <= 0) {
				say("floor: the port breaks off\n");
				return;
			}
			left -= n;
		}
		if (order == 'i' && write(port, "!", 1) != 1)
			say("floor: the port takes nothing\n");
	}
}

int main(void)
{
	const char *what = getenv("floor"), *modules = getenv("modules"), *bytes = getenv("bytes");
	if (what && strcmp(what, "stream") == 0) {
		load_modules(modules ? atoi(modules) : 0);
		stream(open_port(O_RDWR), bytes ? atol(bytes) : 0);
		for (;;)
			pause();
	}
	if (what && strcmp(what, "serial") == 0) {
		load_modules(modules ? atoi(modules) : 0);
		if (write(open_port(O_WRONLY), "!", 1) != 1)
			say("floor: the port takes nothing\n");
		for (;;)
			pause();
	}
	say("floor: up\n");
	// QEMU ends at a reset (-no-reboot); not every machine has a power button.
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
