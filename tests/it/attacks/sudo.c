/* Plays sudo as it is set up by default (sudoers(5): env_reset, secure_path, closefrom): becomes root, takes the
 * environment away, starts the command as its child and stays between. It waits until the test has looked around. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <grp.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char *env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LOGNAME=root",
                   "SUDO_USER=dev", "SUDO_UID=1000", "SUDO_GID=1000", NULL};
    gid_t root = 0;
    int status = 0;
    char **command = argv + 1;
    if (argc > 1 && strcmp(*command, "--") == 0)
        command++;
    if (setgid(0) || setuid(0) || setgroups(1, &root)) {
        perror("sudo");
        return 1;
    }
    while (access("/fake/go", F_OK))
        usleep(5000);
    closefrom(3);
    if (fork() == 0) {
        execve(command[0], command, env);
        perror(command[0]);
        _exit(127);
    }
    wait(&status);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
