// SPDX-License-Identifier: GPL-2.0
/* Takes the name gup_test in debugfs, for good; there is nothing to unload. */
#include <linux/debugfs.h>
#include <linux/module.h>

static int __init taken_init(void)
{
	debugfs_create_dir("gup_test", NULL);
	return -ECANCELED;
}
module_init(taken_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("leaves a debugfs entry named gup_test");
