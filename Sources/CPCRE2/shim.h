// PCRE2's names are macros over the code unit's width; Ring3 matches bytes.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
