// glibc's Swift module leaves <sys/epoll.h>, <sys/eventfd.h> and <sys/timerfd.h> out.
#pragma once
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
