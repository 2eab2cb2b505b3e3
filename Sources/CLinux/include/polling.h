// glibc's Swift module leaves <sys/epoll.h> out.
#pragma once
#include <sys/epoll.h>
