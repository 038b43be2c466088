/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWSCOPE_VERSION_H
#define COWSCOPE_VERSION_H

/* Also PACKAGE_VERSION in dkms.conf. */
#define COWSCOPE_VERSION "0.1.0"

#endif
