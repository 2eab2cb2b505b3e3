// glibc's Swift module leaves <sys/epoll.h> and <sys/eventfd.h> out.
#pragma once
#include <sys/epoll.h>
#include <sys/eventfd.h>
