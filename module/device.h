/* SPDX-License-Identifier: GPL-2.0 */
/* /dev/cowscope: the ioctls, nothing else. */
#ifndef COWSCOPE_DEVICE_H
#define COWSCOPE_DEVICE_H

int device_init(void);
void device_exit(void);

#endif
