// SPDX-License-Identifier: GPL-2.0
/* Load and unload: each part up in order, down in reverse. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/utsname.h>
#include "compat/mm.h"
#include "debugfs.h"
#include "device.h"
#include "fault.h"
#include "filter.h"
#include "format.h"
#include "gup_test.h"
#include "holders.h"
#include "in_force.h"
#include "probes.h"
#include "ring.h"
#include "stats.h"
#include "stopwatch.h"
#include "version.h"

static unsigned int enable = COWSCOPE_RECORDING_ON;
module_param(enable, uint, 0444);
MODULE_PARM_DESC(enable, "when loaded: 0 off, 1 record, 2 only count (default 1)");

static unsigned int ring_records = 16384;
module_param(ring_records, uint, 0444);
MODULE_PARM_DESC(ring_records, "records of 64 bytes in the ring of each CPU, rounded up to a power of two (64 to 16777216, default 16384)");

static bool gup_test = true;
module_param(gup_test, bool, 0444);
MODULE_PARM_DESC(gup_test, "the file of the kernel's own selftests, /sys/kernel/debug/gup_test, if the kernel has none (default Y)");

static bool untested;
module_param(untested, bool, 0444);
MODULE_PARM_DESC(untested, "load on a kernel that cowscope was not tested on, too (default N)");

static int __init failed(int err, const char *why)
{
	pr_err("%s (error %d)\n", why, err);
	return err;
}

static int __init cowscope_init(void)
{
	static const char *const says[] = { "off", "recording", "counting" };
	int err;

	if (enable >= ARRAY_SIZE(says)) {
		pr_err("enable=%u is neither 0 (off) nor 1 (record) nor 2 (count)\n", enable);
		return -EINVAL;
	}
	if (!COMPAT_TESTED && !untested) {
		pr_err("not tested on Linux %s, where probed functions may have other arguments: what is recorded may be wrong and a fault may oops; untested=1 loads it all the same\n",
		       utsname()->release);
		return -EOPNOTSUPP;
	}
	err = ring_init(ring_records);
	if (err)
		return failed(err, "no memory for the rings; load with a smaller ring_records=");
	err = stats_init();
	if (err) {
		failed(err, "no memory for the counters");
		goto err_ring;
	}
	err = holders_init();
	if (err) {
		failed(err, "no memory for the table of held pages");
		goto err_stats;
	}
	err = precedent_init();
	if (err) {
		failed(err, "no memory for the faults to compare with");
		goto err_holders;
	}
	err = filter_init();
	if (err) {
		failed(err, "no memory for the filter");
		goto err_precedent;
	}
	stopwatch_init();
	err = probes_switch(enable);
	if (err) {
		failed(err, "no recording: is CONFIG_KPROBES set, kernel.ftrace_enabled 1, the kernel one that cowscope supports?");
		goto err_filter;
	}
	err = device_init();
	if (err) {
		failed(err, "/dev/cowscope cannot be registered");
		goto err_probes;
	}
	debugfs_init();
	gup_test_init(gup_test);
	pr_info("%s, rule %s, %s\n", COWSCOPE_VERSION, cowscope_rule_name(in_force()->rule),
		says[enable]);
	return 0;

err_probes:
	probes_switch(COWSCOPE_RECORDING_OFF);
err_filter:
	filter_exit();
err_precedent:
	precedent_exit();
err_holders:
	holders_exit();
err_stats:
	stats_exit();
err_ring:
	ring_exit();
	return err;
}

static void __exit cowscope_exit(void)
{
	gup_test_exit();
	debugfs_exit();
	device_exit();
	probes_switch(COWSCOPE_RECORDING_OFF);
	filter_exit();
	precedent_exit();
	holders_exit();
	stats_exit();
	ring_exit();
}

module_init(cowscope_init);
module_exit(cowscope_exit);

MODULE_LICENSE("GPL");
MODULE_VERSION(COWSCOPE_VERSION);
MODULE_AUTHOR("the cowscope developers");
MODULE_DESCRIPTION("Shows when copy-on-write copied or reused a page, why, and who lost it");
