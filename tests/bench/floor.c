// The least that reading a tree of cgroups can take: opens, reads and closes the nine files that `inspect` tells of in each of
// the directories named in a file, with as many threads as there are processors. Nothing is made of what is read.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const NAMES[] = {"cgroup.subtree_control", "cgroup.events", "cgroup.procs", "memory.current", "memory.max",
                                    "pids.current",           "pids.max",      "cpu.stat",     "cpu.max"};
static char **folders;
static size_t count;
static size_t next;

static void *work(void *unused) {
    char buffer[4096];
    size_t at;
    while ((at = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < count) {
        int folder = open(folders[at], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t name = 0; name < sizeof NAMES / sizeof *NAMES; name++) {
            int file = openat(folder, NAMES[name], O_RDONLY | O_CLOEXEC);
            if (file < 0 || read(file, buffer, sizeof buffer) < 0) {
                perror(NAMES[name]);
                exit(1);
            }
            close(file);
        }
        close(folder);
    }
    return unused;
}

int main(int given, char **arguments) {
    FILE *list = given == 2 ? fopen(arguments[1], "r") : NULL;
    if (!list) return 2;
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, list) > 0) {
        line[strcspn(line, "\n")] = 0;
        folders = realloc(folders, (count + 1) * sizeof *folders);
        folders[count++] = strdup(line);
    }
    long threads = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t others[64];
    if (threads > 64) threads = 64;
    for (long i = 1; i < threads; i++) pthread_create(&others[i], NULL, work, NULL);
    work(NULL);
    for (long i = 1; i < threads; i++) pthread_join(others[i], NULL);
}
