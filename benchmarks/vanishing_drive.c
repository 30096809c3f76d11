/* A drive that vanishes after so many calls of the system, and a clock that is set back whenever somebody looks at it, for
   whoever loads this by LD_PRELOAD: see vanishing_drive.py.

   What is mapped into memory stays there. Source: dlsym(3), RTLD_NEXT; a child of fork(2) counts where its parent reads. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct { char place[PATH_MAX]; long left, seen; int number, only_writes, hours; } *drive;
static unsigned char on_it[1 << 16]; /* by descriptor */

__attribute__((constructor)) static void begin(void) {
    drive = mmap(NULL, sizeof *drive, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* From now on the folder's drive answers `calls` calls, and then none but with `number`. */
void vanish(const char *folder, long calls, int number, int only_writes) {
    strncpy(drive->place, folder, PATH_MAX - 1);
    drive->left = calls, drive->seen = 0, drive->number = number, drive->only_writes = only_writes;
}

long num_calls(void) { return drive->seen; }

/* Set the clock back by an hour at every look, or leave it alone. */
void turn_back(int is_on) { drive->hours = is_on; }

int clock_gettime(clockid_t which, struct timespec *found) {
    int failed = ((__typeof__(&clock_gettime))dlsym(RTLD_NEXT, "clock_gettime"))(which, found);
    if (!failed && which == CLOCK_REALTIME && drive && drive->hours)
        found->tv_sec -= 3600l * __atomic_fetch_add(&drive->hours, 1, __ATOMIC_SEQ_CST) % found->tv_sec;
    return failed;
}

static int has(int descriptor) {
    return drive->place[0] && descriptor >= 0 && descriptor < (int)sizeof on_it && on_it[descriptor];
}

static int holds(int folder, const char *path) {
    char whole[2 * PATH_MAX + 2];
    size_t length = strlen(drive->place);
    if (!length || !path || strlen(path) >= PATH_MAX) return 0;
    if (path[0] == '/') strcpy(whole, path);
    else if (folder != AT_FDCWD) return has(folder);
    else if (!getcwd(whole, PATH_MAX)) return 0;
    else strcat(strcat(whole, "/"), path);
    return !strncmp(whole, drive->place, length) && (whole[length] == '/' || !whole[length]);
}

static int fails(int is_there, int is_write) {
    if (!is_there || (drive->only_writes && !is_write)) return 0;
    __atomic_add_fetch(&drive->seen, 1, __ATOMIC_SEQ_CST);
    if (__atomic_sub_fetch(&drive->left, 1, __ATOMIC_SEQ_CST) >= 0) return 0;
    errno = drive->number;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CALL(kind, name, parameters, arguments, is_there, is_write, failed) \
    kind name parameters { return fails(is_there, is_write) ? failed : REAL(name) arguments; }
#define OPEN(name, parameters, arguments, folder) \
    int name parameters { \
        va_list more; va_start(more, flags); mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; va_end(more); \
        int is_there = holds(folder, path); \
        if (fails(is_there, flags & O_CREAT)) return -1; \
        int descriptor = REAL(name) arguments; \
        if (descriptor >= 0 && descriptor < (int)sizeof on_it) on_it[descriptor] = is_there; \
        return descriptor; \
    }

OPEN(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), folder)
OPEN(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), folder)
int close(int d) { if (d >= 0 && d < (int)sizeof on_it) on_it[d] = 0; return REAL(close)(d); }
CALL(FILE *, fopen, (const char *p, const char *m), (p, m), holds(AT_FDCWD, p), m[0] != 'r', NULL)
CALL(FILE *, fopen64, (const char *p, const char *m), (p, m), holds(AT_FDCWD, p), m[0] != 'r', NULL)
CALL(DIR *, opendir, (const char *p), (p), holds(AT_FDCWD, p), 0, NULL)
CALL(ssize_t, read, (int d, void *b, size_t n), (d, b, n), has(d), 0, -1)
CALL(ssize_t, pread64, (int d, void *b, size_t n, off64_t o), (d, b, n, o), has(d), 0, -1)
CALL(ssize_t, write, (int d, const void *b, size_t n), (d, b, n), has(d), 1, -1)
CALL(ssize_t, pwrite64, (int d, const void *b, size_t n, off64_t o), (d, b, n, o), has(d), 1, -1)
CALL(ssize_t, writev, (int d, const struct iovec *v, int n), (d, v, n), has(d), 1, -1)
CALL(int, fsync, (int d), (d), has(d), 1, -1)
CALL(int, fdatasync, (int d), (d), has(d), 1, -1)
CALL(int, ftruncate64, (int d, off64_t n), (d, n), has(d), 1, -1)
CALL(int, mkdir, (const char *p, mode_t m), (p, m), holds(AT_FDCWD, p), 1, -1)
CALL(int, rename, (const char *a, const char *b), (a, b), holds(AT_FDCWD, b), 0, -1)
CALL(int, unlink, (const char *p), (p), holds(AT_FDCWD, p), 0, -1)
CALL(int, unlinkat, (int f, const char *p, int m), (f, p, m), holds(f, p), 0, -1)
CALL(int, stat64, (const char *p, struct stat64 *s), (p, s), holds(AT_FDCWD, p), 0, -1)
CALL(int, lstat64, (const char *p, struct stat64 *s), (p, s), holds(AT_FDCWD, p), 0, -1)
CALL(int, fstatat64, (int f, const char *p, struct stat64 *s, int m), (f, p, s, m), holds(f, p), 0, -1)
