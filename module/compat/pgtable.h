/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWSCOPE_COMPAT_PGTABLE_H
#define COWSCOPE_COMPAT_PGTABLE_H

#include <linux/version.h>
#include <linux/mm.h>
#include <linux/pgtable.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
/* Renamed with userfaultfd's read-write-protect mode, 7.3. */
#define compat_pte_uffd_wp(pte)	pte_uffd(pte)
#else
#define compat_pte_uffd_wp(pte)	pte_uffd_wp(pte)
#endif

#endif
