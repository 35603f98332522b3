// work disk MIB FILES FOLDER...
// work serve PORT
//
// As the first process of a bare guest it finds its arguments in the kernel's
// command line.
#include "work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int in_guest;

void fail(const char *what, const char *name)
{
	printf("work failed: %s %s: %s\n", what, name, strerror(errno));
	fflush(stdout);
	if (in_guest)
		power_off();
	exit(1);
}

int main(int argc, char **argv)
{
	if (getpid() == 1 && getenv("work_fstype")) {
		in_guest = 1;
		printf("\n"); // firmware leaves its line open
		argv = guest();
		for (argc = 0; argv[argc]; argc++)
			;
	}
	if (argc >= 5 && strcmp(argv[1], "disk") == 0)
		disk(atol(argv[2]), atol(argv[3]), argc - 4, argv + 4);
	else if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	else {
		errno = EINVAL;
		fail("usage", "work disk MIB FILES FOLDER... | work serve PORT");
	}
	fflush(stdout);
	if (in_guest)
		power_off();
	return 0;
}
