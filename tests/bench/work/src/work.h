// What the benchmark's containers and bare guests do; one program for all.
#ifndef WORK_H
#define WORK_H

void fail(const char *what, const char *name) __attribute__((noreturn));

// disk reads, writes, creates and removes below each folder and prints how
// long that took: "result FOLDER MEASURE SECONDS".
void disk(long mib, long files, int count, char **folders);

// serve listens on a TCP port, prints "ready" and does what each connection's
// first byte says, until one says 'q'.
void serve(int port);

// guest sets up a bare guest whose first process this is, and says what to do
// in it: it answers the arguments, as a container would have got them.
char **guest(void);
void power_off(void) __attribute__((noreturn));

#endif
