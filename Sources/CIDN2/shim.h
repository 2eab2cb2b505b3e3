// libidn2: names in other scripts as DNS and Host fields spell them (IDNA2008, UTS #46).
#include <idn2.h>
