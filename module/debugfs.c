// SPDX-License-Identifier: GPL-2.0
/*
 * Read-only, so that lockdown does not refuse to open them; control goes
 * through the device.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include "compat/hidden.h"
#include "debugfs.h"
#include "filter.h"
#include "format.h"
#include "gup_test.h"
#include "in_force.h"
#include "pins.h"
#include "probes.h"
#include "ring.h"
#include "stats.h"
#include "version.h"

static struct dentry *root;

static size_t format_record(char *buf, size_t size, const struct cowscope_record *r)
{
	char comm[16];

	return cowscope_format(buf, size, r, ring_task_name(r->pid, comm) ? comm : NULL);
}

/* trace: all that the rings hold when it is opened, in order of time */

struct trace_file {
	struct ring_reader *reader;
	loff_t pos;		/* of reader->record, -1 before the first */
	bool more;
};

static void *trace_start(struct seq_file *m, loff_t *pos)
{
	struct trace_file *t = m->private;

	while (t->more && t->pos < *pos) {
		t->more = ring_next(t->reader, false);
		t->pos++;
	}
	return t->more ? t : NULL;
}

static void *trace_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return trace_start(m, pos);
}

static void trace_stop(struct seq_file *m, void *v)
{
}

static int trace_show(struct seq_file *m, void *v)
{
	struct trace_file *t = v;
	char line[COWSCOPE_LINE_MAX];

	format_record(line, sizeof(line), &t->reader->record);
	seq_puts(m, line);
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations trace_seq = {
	.start = trace_start,
	.next = trace_next,
	.stop = trace_stop,
	.show = trace_show,
};

static int trace_open(struct inode *inode, struct file *file)
{
	struct trace_file *t = __seq_open_private(file, &trace_seq, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->reader = ring_reader_new(false);
	if (!t->reader) {
		seq_release_private(inode, file);
		return -ENOMEM;
	}
	t->pos = -1;
	t->more = true;
	return nonseekable_open(inode, file);
}

static int trace_release(struct inode *inode, struct file *file)
{
	struct trace_file *t = ((struct seq_file *)file->private_data)->private;

	kvfree(t->reader);
	return seq_release_private(inode, file);
}

static const struct file_operations trace_fops = {
	.owner = THIS_MODULE,
	.open = trace_open,
	.read = seq_read,
	.release = trace_release,
};

/* trace_pipe: what is recorded from now on; waits for it */

struct pipe_file {
	struct mutex lock;
	struct ring_reader *reader;
	u64 lost;		/* said so far */
	size_t len, done;	/* of line */
	char line[COWSCOPE_LINE_MAX + 64];
};

static int pipe_open(struct inode *inode, struct file *file)
{
	struct pipe_file *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	p->reader = ring_reader_new(true);
	if (!p->reader) {
		kfree(p);
		return -ENOMEM;
	}
	mutex_init(&p->lock);
	file->private_data = p;
	return nonseekable_open(inode, file);
}

static int pipe_release(struct inode *inode, struct file *file)
{
	struct pipe_file *p = file->private_data;

	kvfree(p->reader);
	kfree(p);
	return 0;
}

static bool pipe_line(struct pipe_file *p)
{
	size_t size = sizeof(p->line) - 1;

	if (!ring_next(p->reader, true))
		return false;
	p->len = 0;
	if (p->reader->lost != p->lost)
		p->len = scnprintf(p->line, size, "# lost %llu records\n",
				   p->reader->lost - p->lost);
	p->lost = p->reader->lost;
	p->len += format_record(p->line + p->len, size - p->len, &p->reader->record);
	p->line[p->len++] = '\n';
	p->done = 0;
	return true;
}

static ssize_t pipe_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct pipe_file *p = file->private_data;
	ssize_t got = 0;
	int err = 0;

	if (mutex_lock_interruptible(&p->lock))
		return -ERESTARTSYS;
	while (count) {
		size_t n;

		if (p->done == p->len && !pipe_line(p)) {
			if (got)
				break;
			err = file->f_flags & O_NONBLOCK ? -EAGAIN : ring_wait(p->reader);
			if (err)
				break;
			continue;
		}
		n = min(count, p->len - p->done);
		if (copy_to_user(buf + got, p->line + p->done, n)) {
			err = -EFAULT;
			break;
		}
		p->done += n;
		got += n;
		count -= n;
		if (signal_pending(current))
			break;
		cond_resched();
	}
	mutex_unlock(&p->lock);
	return got ? got : err;
}

static const struct file_operations pipe_fops = {
	.owner = THIS_MODULE,
	.open = pipe_open,
	.read = pipe_read,
	.release = pipe_release,
	.llseek = noop_llseek,
};

/* The rest fits one page or two. */

static void put_stat(void *m, const char *name, u64 value)
{
	seq_printf(m, "%s %llu\n", name, value);
}

static int stats_show(struct seq_file *m, void *unused)
{
	stats_each(put_stat, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/* Two tables: a line of names, then columns, the last one free text. */
static int probes_show(struct seq_file *m, void *unused)
{
	int i;

	seq_puts(m, "probe                state    function                   event        missed error sees\n");
	for (i = 0; i < PROBES; i++) {
		const struct probe *p = probes[i];
		const char *symbol = READ_ONCE(p->symbol);
		const char *state = "off";
		int error = READ_ONCE(p->error);

		if (symbol)
			state = "armed";
		else if (error)
			state = error == -ENOENT ? "absent" : "failed";
		seq_printf(m, "%-20s %-8s %-26s %-12s %6llu %5d %s\n", p->name, state,
			   symbol ? symbol : p->symbols[0], cowscope_event_name(p->event),
			   probe_missed(p), error, p->sees);
	}
	seq_puts(m, "\nprobe                inlined                    hides\n");
	for (i = 0; i < ARRAY_SIZE(compat_hidden); i++)
		seq_printf(m, "%-20s %-26s %s\n", probes[compat_hidden[i].id]->name,
			   compat_hidden[i].in, compat_hidden[i].what);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(probes);

static int holders_show(struct seq_file *m, void *unused)
{
	return pins_show(m, unused);
}
DEFINE_SHOW_ATTRIBUTE(holders);

DEFINE_SHOW_ATTRIBUTE(filter);

DEFINE_SHOW_ATTRIBUTE(gup_test);

static int rule_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%s, %s\n", cowscope_rule_name(in_force()->rule),
		   in_force_found() ? "found by experiment" : "as built");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rule);

static int version_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "cowscope %s on Linux %s\n", COWSCOPE_VERSION, init_utsname()->release);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(version);

void debugfs_init(void)
{
	root = debugfs_create_dir("cowscope", NULL);
	debugfs_create_file("trace", 0400, root, NULL, &trace_fops);
	debugfs_create_file("trace_pipe", 0400, root, NULL, &pipe_fops);
	debugfs_create_file("stats", 0400, root, NULL, &stats_fops);
	debugfs_create_file("probes", 0400, root, NULL, &probes_fops);
	debugfs_create_file("pins", 0400, root, NULL, &holders_fops);
	debugfs_create_file("filter", 0400, root, NULL, &filter_fops);
	debugfs_create_file("gup_test", 0400, root, NULL, &gup_test_fops);
	debugfs_create_file("rule", 0400, root, NULL, &rule_fops);
	debugfs_create_file("version", 0400, root, NULL, &version_fops);
}

void debugfs_exit(void)
{
	debugfs_remove_recursive(root);
}
