// SPDX-License-Identifier: GPL-2.0
/*
 * Do cowscope's counters add up? For scripts, between what they run:
 *
 *   balance [cut_off]   cut_off: calls may have been under way when recording
 *                       was switched off
 */
#include <string.h>

#include "account.h"
#include "tap.h"

int main(int argc, char **argv)
{
	bool cut_off = argc > 1 && !strcmp(argv[1], "cut_off");
	char why[200];

	if (accounted(dev_open(), cut_off ? ACCOUNT_CUT_OFF : 0, why, sizeof(why)))
		return 0;
	puts(why);
	return 1;
}
