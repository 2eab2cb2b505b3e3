// The C library's resolver, of whose settings <netdb.h> knows nothing.
#pragma once

/// Names of hosts are looked for in /etc/hosts and DNS only, whatever nsswitch.conf says. glibc.
void ring3_resolver_use_built_in(void);
