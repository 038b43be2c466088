/* SPDX-License-Identifier: GPL-2.0 */
/* The sweep: a scenario whose expectations are predicted, not written down. */
#ifndef COWSCOPE_SWEEP_H
#define COWSCOPE_SWEEP_H

#include "device.h"
#include "scenario.h"

/**
 * sweep_predict - fill in what the sweep's cases are to show on this kernel
 * @s: the scenario, loaded as SCENARIO_SWEEP
 * @d: the device
 * @timeout: seconds that a story may take
 *
 * Plays the cases that show by which of the findings of doc/findings.md this
 * kernel departs from its rule. Sets of each variant the expectation under the
 * rule in force and, if it hangs on a finding, which and what the rule says.
 *
 * Returns NULL, or what is wrong; the text is valid until the next call.
 */
const char *sweep_predict(struct scenario *s, struct device *d, unsigned int timeout);

#endif
