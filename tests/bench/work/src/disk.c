#include "work.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE (1 << 20)

static char piece[PIECE];

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void result(const char *folder, const char *measure, double start)
{
	printf("result %s %s %.6f\n", folder, measure, now() - start);
	fflush(stdout);
}

static const char *below(const char *folder, const char *name)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

// The host has written the file "data".
static void read_file(const char *folder, const char *measure, long mib)
{
	double start = now();
	int fd = open(below(folder, "data"), O_RDONLY);
	long sum = 0;
	ssize_t n;
	if (fd < 0)
		fail("open", below(folder, "data"));
	while ((n = read(fd, piece, PIECE)) > 0)
		sum += n;
	if (n < 0 || sum != mib << 20)
		fail("read", below(folder, "data"));
	close(fd);
	result(folder, measure, start);
}

static void write_file(const char *folder, long mib)
{
	const char *path = below(folder, "new");
	double start = now();
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0)
		fail("create", path);
	memset(piece, 'x', PIECE);
	for (long i = 0; i < mib; i++)
		for (size_t done = 0; done < PIECE;) {
			ssize_t n = write(fd, piece + done, PIECE - done);
			if (n <= 0)
				fail("write", path);
			done += n;
		}
	if (fsync(fd) != 0)
		fail("fsync", path);
	close(fd);
	result(folder, "write", start);
	if (unlink(path) != 0)
		fail("remove", path);
}

static void many_files(const char *folder, long files)
{
	char path[512];
	double start = now();
	if (mkdir(below(folder, "many"), 0700) != 0)
		fail("mkdir", below(folder, "many"));
	for (long i = 0; i < files; i++) {
		snprintf(path, sizeof path, "%s/many/%ld", folder, i);
		int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0)
			fail("create", path);
		close(fd);
	}
	result(folder, "create", start);
	start = now();
	for (long i = 0; i < files; i++) {
		snprintf(path, sizeof path, "%s/many/%ld", folder, i);
		if (unlink(path) != 0)
			fail("remove", path);
	}
	result(folder, "remove", start);
	if (rmdir(below(folder, "many")) != 0)
		fail("rmdir", below(folder, "many"));
}

void disk(long mib, long files, int count, char **folders)
{
	for (int i = 0; i < count; i++) {
		read_file(folders[i], "read", mib);
		read_file(folders[i], "again", mib);
		write_file(folders[i], mib);
		many_files(folders[i], files);
	}
}
