// A connection begins with what it is for and, as 8 bytes with the lowest
// first, how many bytes. 'i': that many come in, then a byte goes out. 'o':
// that many go out. 'e': each byte of that many is answered by a byte. 'q': end.
#include "work.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[128 << 10];

static size_t most(uint64_t left, size_t limit) { return left < limit ? left : limit; }

// Returns whether the connection went on to its end.
static int take(int fd, uint64_t left, size_t limit, int answer)
{
	while (left > 0) {
		ssize_t n = read(fd, buffer, most(left, limit));
		if (n <= 0)
			return 0;
		left -= n;
		if (answer && write(fd, buffer, n) != n)
			return 0;
	}
	return 1;
}

static int give(int fd, uint64_t left)
{
	while (left > 0) {
		ssize_t n = write(fd, buffer, most(left, sizeof buffer));
		if (n <= 0)
			return 0;
		left -= n;
	}
	return 1;
}

// Returns whether to go on.
static int talk(int fd)
{
	unsigned char head[9];
	uint64_t bytes = 0;
	int on = 1;
	for (size_t have = 0; have < sizeof head;) {
		ssize_t n = read(fd, head + have, sizeof head - have);
		if (n <= 0)
			return 1;
		have += n;
	}
	for (int i = 0; i < 8; i++)
		bytes |= (uint64_t)head[1 + i] << (8 * i);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	switch (head[0]) {
	case 'i':
		if (take(fd, bytes, sizeof buffer, 0) && write(fd, "!", 1) == 1)
			return 1;
		break;
	case 'o':
		if (give(fd, bytes))
			return 1;
		break;
	case 'e':
		if (take(fd, bytes, 1, 1))
			return 1;
		break;
	case 'q':
		return 0;
	}
	printf("a connection broke off\n");
	return 1;
}

void serve(int port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1, l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l < 0 || setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(l, (struct sockaddr *)&any, sizeof any) != 0 || listen(l, 8) != 0)
		fail("listen", "");
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		int fd = accept(l, NULL, NULL);
		if (fd < 0)
			fail("accept", "");
		int more = talk(fd);
		close(fd);
		if (!more)
			return;
	}
}
