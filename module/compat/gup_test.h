/* SPDX-License-Identifier: GPL-2.0 */
/* The file of the kernel's own selftests. */
#ifndef COWSCOPE_COMPAT_GUP_TEST_H
#define COWSCOPE_COMPAT_GUP_TEST_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
/* 9c84f229268f ("mm/gup_benchmark: rename to mm/gup_test"), 5.11 */
#define COMPAT_GUP_TEST_FILES	{ "gup_test", "gup_benchmark" }
#else
#define COMPAT_GUP_TEST_FILES	{ "gup_test" }
#endif

#endif
