/* SPDX-License-Identifier: GPL-2.0 */
/* By which rule this kernel decides: as built, or as an experiment has shown. */
#ifndef COWSCOPE_IN_FORCE_H
#define COWSCOPE_IN_FORCE_H

#include <linux/compiler.h>
#include "rules.h"

extern const struct cowscope_rule_in_force *in_force_now;

/**
 * in_force - how this kernel decides, as far as is known now
 *
 * Any context. Of one fault ask once, as somebody may tell another rule meanwhile.
 */
static inline const struct cowscope_rule_in_force *in_force(void)
{
	return READ_ONCE(in_force_now);
}

/**
 * in_force_found - has somebody told the rule after an experiment?
 */
bool in_force_found(void);

/**
 * in_force_tell - the rule that an experiment has shown
 * @rule: enum cowscope_rule
 *
 * Returns -EINVAL if there is no such rule, or none that this kernel can have.
 */
int in_force_tell(u32 rule);

#endif
