/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words for the values of enums, the same in the module and in the command.
 */
#ifndef COWSCOPE_WORDS_H
#define COWSCOPE_WORDS_H

#include "pure.h"
#include <linux/cowscope.h>

/* The names of enum values, "?" for one out of range. Stable. */
const char *cowscope_event_name(unsigned int event);
const char *cowscope_level_name(unsigned int level);
const char *cowscope_kind_name(unsigned int kind);
const char *cowscope_decision_name(unsigned int decision);
const char *cowscope_verdict_name(unsigned int verdict);
const char *cowscope_rule_name(unsigned int rule);
const char *cowscope_tri_name(unsigned int tri);
const char *cowscope_source_name(unsigned int source);
const char *cowscope_invalidation_name(unsigned int invalidation);
const char *cowscope_lock_name(unsigned int lock);
const char *cowscope_detection_name(unsigned int detection);
const char *cowscope_clear_refs_name(unsigned int clear_refs);	/* what was written */
const char *cowscope_uffd_wp_name(unsigned int uffd_wp);

#endif
