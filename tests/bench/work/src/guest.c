// The first process of a bare guest. Parameters that the kernel does not know
// come as environment variables:
//   work_fstype, work_source, work_options   what to mount at /mnt; "none" for nothing
//   work_address                             the address of eth0, in 24 bits; none without it
//   work_args                                the program's arguments, commas between them
#include "work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

void power_off(void)
{
	sync();
	// A machine that ends at once loses what its UART still holds.
	tcdrain(1);
	// QEMU ends at a reset (-no-reboot); not every machine has a power button.
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

// Loads what the sandbox's image lists: paths among other words.
static void load(const char *list)
{
	char line[8192];
	FILE *f = fopen(list, "re");
	if (!f)
		return; // a kernel that has its drivers built in
	while (fgets(line, sizeof line, f))
		for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
			if (*word != '/')
				continue;
			int fd = open(word, O_RDONLY | O_CLOEXEC);
			// Drivers come up more than once.
			if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
				printf("module %s: %s\n", word, strerror(errno));
			close(fd);
		}
	fclose(f);
}

static void set(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		printf("%s: %s\n", file, strerror(errno));
	close(fd);
}

static void make_mount(const char *type, const char *source, const char *options)
{
	mkdir("/mnt", 0755);
	if (strncmp(source, "/dev/", 5) == 0) {
		// A disk appears some time after its driver.
		char event[4096];
		int watch = inotify_init1(IN_CLOEXEC);
		inotify_add_watch(watch, "/dev", IN_CREATE);
		while (access(source, F_OK) != 0)
			if (read(watch, event, sizeof event) < 0)
				fail("wait for", source);
		close(watch);
	}
	if (mount(source, "/mnt", type, 0, options) != 0)
		fail("mount", type);
}

static void make_address(const char *address)
{
	struct ifreq r = {.ifr_name = "eth0"};
	struct sockaddr_in *a = (struct sockaddr_in *)&r.ifr_addr;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	a->sin_family = AF_INET;
	a->sin_addr.s_addr = inet_addr(address);
	if (s < 0 || ioctl(s, SIOCSIFADDR, &r) != 0)
		fail("address", address);
	a->sin_addr.s_addr = htonl(0xffffff00);
	if (ioctl(s, SIOCSIFNETMASK, &r) != 0)
		fail("netmask", address);
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &r) != 0)
		fail("set up", "eth0");
	close(s);
}

char **guest(void)
{
	static char *args[32] = {"work"};
	const char *type = getenv("work_fstype"), *source = getenv("work_source"), *options = getenv("work_options");
	const char *address = getenv("work_address");
	char *text = getenv("work_args");
	int n = 1;
	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("dev", "/dev", "devtmpfs", 0, "");
	mount("proc", "/proc", "proc", 0, "");
	mount("sys", "/sys", "sysfs", 0, "");
	// As the agent tells the kernel.
	set("/proc/sys/kernel/modprobe", "/usr/libexec/kata-modprobe");
	load("/etc/kata-agent/modules");
	load("/etc/kata-agent/modules.devices");
	if (strcmp(type, "none") != 0)
		make_mount(type, source ? source : "", options ? options : "");
	if (address)
		make_address(address);
	for (char *word = text ? strtok(text, ",") : NULL; word && n < 31; word = strtok(NULL, ","))
		args[n++] = word;
	return args;
}
