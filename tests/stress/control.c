// SPDX-License-Identifier: GPL-2.0
/*
 * For scripts: switches recording, writes a mark.
 *
 *   control on | off | mark TEXT
 */
#include <string.h>

#include "kit.h"
#include "tap.h"

int main(int argc, char **argv)
{
	struct cowscope_mark m = { .size = sizeof(m) };
	int fd = dev_open();

	if (argc == 2 && !strcmp(argv[1], "on"))
		return !!dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);
	if (argc == 2 && !strcmp(argv[1], "off"))
		return !!dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	if (argc != 3 || strcmp(argv[1], "mark"))
		return 2;
	memcpy(m.text, argv[2], strnlen(argv[2], sizeof(m.text)));
	return !!dev(fd, COWSCOPE_MARK, &m);
}
