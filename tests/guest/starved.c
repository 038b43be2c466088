// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever takes memory, or copies to or from the caller, is made to fail at its
 * first allocation or copy, then at its second, and so on until nothing fails: it
 * says so, and nothing is left. So is loading, from where the module's own code runs;
 * before, the kernel's loader warns of what it lacks (jump_label_add_module()).
 * Needs CONFIG_FAULT_INJECTION. Loads the module by itself.
 *
 *   starved [EVERY]	one of EVERY allocations of arming probes fails, as each takes long;
 *			default 7, or 70 where KCSAN makes it an hour
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit.h"
#include "tap.h"

#define MOST	20000	/* allocations and copies of one call */
#define FAR	(1 << 30)	/* more than there are */
#define LOG_READ_CLEAR	4	/* commands of syslog(2) */
#define LOG_CONSOLE	8
#define PANIC_ON_WARN	"/proc/sys/kernel/panic_on_warn"
#define PAGES	8
#define SIZE	(PAGES * PAGE)

static int fd, nth_file;
static int held;		/* id of what is held for all calls, or 0 */
static char *mem;
static struct rings rings;

/* --- fault injection ------------------------------------------------------ */

/* What was set before may be met by this copy; then nothing has been set. */
static void fail_at(int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", nth), tries = 0;

	while (pwrite(nth_file, text, length, 0) != length)
		if (++tries == 3)
			tap_bail("fail-nth: %s", strerror(errno));
}

/* How far what was to fail is; reading may be what fails. */
static int left(void)
{
	char text[16] = "";
	int got = pread(nth_file, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 1;

	fail_at(0);
	return got;
}

static bool has_failed(void) { return !left(); }

static void inject_everywhere(void)
{
	static const char *const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_usercopy/verbose", "0" },
	};
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i][0]);
		if (!write_file(path, settings[i][1]))
			tap_bail("%s: %s", path, strerror(errno));
	}
}

/* --- what is called: each is 0 or more, or a negative errno ---------------- */

static int open_device(void)
{
	int file = open("/dev/cowscope", O_RDWR | O_CLOEXEC);

	return file < 0 ? -errno : file;
}

static int take_reference(void) { return dev_pin(fd, 0, mem, SIZE); }
static int take_pin(void) { return dev_pin(fd, COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE, mem, SIZE); }

static int hold(void)
{
	struct cowscope_hold h = { .size = sizeof(h), .addr = (uintptr_t)mem, .length = SIZE };
	int err = dev(fd, COWSCOPE_HOLD, &h);

	return err ? err : (int)h.id;
}

static int make_mirror(void)
{
	struct cowscope_mirror m = { .size = sizeof(m), .flags = COWSCOPE_MIRROR_GET,
		.addr = (uintptr_t)mem, .length = SIZE };
	int err = dev(fd, COWSCOPE_MIRROR, &m);

	return err ? err : (int)m.id;
}

static int set_filter(void)
{
	struct cowscope_filter f = { .size = sizeof(f), .comm = "starved" };

	return dev(fd, COWSCOPE_FILTER, &f);
}

static int follow(void) { return dev_control(fd, COWSCOPE_CONTROL_FOLLOW, getpid()); }

static int count_all(void)
{
	static struct stats s;
	struct cowscope_stats arg = { .size = sizeof(arg), .buf = (uintptr_t)s.text,
		.len = sizeof(s.text) };

	return dev(fd, COWSCOPE_STATS, &arg);
}

static int look(void)
{
	struct cowscope_page pages[PAGES];

	return dev_pages(fd, 0, mem, PAGES, pages);
}

static int look_through(void)
{
	struct cowscope_pin_state s;

	return dev_pin_state(fd, held, 0, &s);
}

static int read_held(void)
{
	static char data[2 * PAGE];

	return dev_read(fd, held, 0, data, sizeof(data));
}

static int map_rings(void)
{
	void *map = mmap(NULL, rings.info.map_size, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, rings.info.map_size);
	return 0;
}

static int read_all(const char *path)
{
	static char text[65536];
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = 0;
	ssize_t n;

	if (file < 0)
		return -errno;
	while ((n = read(file, text, sizeof(text))) > 0)
		;
	if (n < 0 && errno != EAGAIN)
		err = -errno;
	close(file);
	return err;
}

static int read_trace(void) { return read_all(DEBUG "trace"); }
static int read_pipe(void) { return read_all(DEBUG "trace_pipe"); }
static int read_stats(void) { return read_all(DEBUG "stats"); }
static int read_probes(void) { return read_all(DEBUG "probes"); }
static int read_pins(void) { return read_all(DEBUG "pins"); }

/* --- and undone ----------------------------------------------------------- */

static void nothing(int got) { }
static void close_it(int got) { close(got); }
static void unpin(int got) { dev_unpin(fd, got); }

static void no_filter(int got)
{
	struct cowscope_filter f = { .size = sizeof(f) };

	dev(fd, COWSCOPE_FILTER, &f);
	dev_control(fd, COWSCOPE_CONTROL_FOLLOW, 0);
}

/* Nothing is there that was not there before the call. */
static bool is_clean(void)
{
	return pins_listed() == !!held && !foll_pins();
}

static void starve(const char *what, int (*call)(void), void (*undo)(int got))
{
	int nth, got, refused = 0;
	bool bad = false, met = true;

	for (nth = 1; met && nth <= MOST && !bad; nth++) {
		fail_at(nth);
		got = call();
		met = has_failed();
		if (got >= 0)
			undo(got);
		else
			refused++;
		CHECK(got >= 0 || got == -ENOMEM || got == -EFAULT);
		CHECK(met || got >= 0);
		CHECK(is_clean());
		if (bad)
			tap_note("at %d: %s", nth, got < 0 ? strerror(-got) : "done");
	}
	/* Some do with less, but not all. */
	CHECK(nth <= MOST && refused);
	tap_ok(!bad, "%s: %d allocations and copies, of which %d are needed", what, nth - 2, refused);
}

/* --- loading -------------------------------------------------------------- */

/* What others may have there, too. */
static size_t registered(char *text, size_t size)
{
	static const char *const files[] = {
		"/sys/kernel/debug/kprobes/list", "/sys/kernel/tracing/enabled_functions",
		"/sys/kernel/tracing/available_events", "/proc/modules", "/proc/misc",
	};
	size_t i, length = 0;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		FILE *file = fopen(files[i], "r");

		if (!file)
			tap_bail("%s: %s", files[i], strerror(errno));
		length += fread(text + length, 1, size - length, file);
		fclose(file);
	}
	return length;
}

static char before[1 << 19];
static size_t before_length;
static int before_gup_test;	/* the kernel may have that */

static int gup_test(void) { return access("/sys/kernel/debug/gup_test", F_OK); }

static bool is_gone(void)
{
	static char now[sizeof(before)];

	return access("/dev/cowscope", F_OK) && access("/sys/module/cowscope", F_OK) &&
		access("/sys/kernel/debug/cowscope", F_OK) && gup_test() == before_gup_test &&
		registered(now, sizeof(now)) == before_length && !memcmp(now, before, before_length);
}

/* What the kernel has said since it was asked last. */
static const char *log_read(void)
{
	static char text[1 << 18];
	int n = klogctl(LOG_READ_CLEAR, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	return text;
}

/* The module's last words, if that was not loaded: why; or nothing. */
static void why_not(const char *log, char *why, size_t size)
{
	const char *at, *end;

	*why = 0;
	for (at = log; (at = strstr(at, "cowscope: ")); at = end) {
		end = at + strcspn(at, "\n");
		if (memmem(at, end - at, " (error ", 8))
			snprintf(why, size, "%.*s", (int)(end - at), at);
	}
}

/*
 * The module makes no allocation of its own if it is told what it refuses at once:
 * all of these are the loader's.
 */
static void starve_load(const char *what, const char *parameters, int every)
{
	char told[256], why[256], last[256] = "";
	int first, nth, err, tries = 0, refused = 0, loaders = 0, unsaid = 0;
	bool bad = false, met = true;

	snprintf(told, sizeof(told), "%s enable=3", parameters);
	fail_at(FAR);
	err = module_load(told);
	first = FAR - left();
	if (err != EINVAL)
		tap_bail("with enable=3: %s", strerror(err));
	log_read();
	for (nth = first; met && !bad; nth += every) {
		const char *log;

		fail_at(nth);
		err = module_load(parameters);
		met = has_failed();
		tries++;
		if (!err)
			CHECK(!module_unload());
		log = log_read();
		why_not(log, why, sizeof(why));
		CHECK(!err || err == ENOMEM);
		CHECK(met || !err);
		CHECK(is_gone());
		CHECK(!strstr(log, "BUG: "));
		if (strstr(log, "WARNING: "))
			tap_note("%.200s", strstr(log, "WARNING: "));
		if (err && *why && strcmp(why, last)) {
			snprintf(last, sizeof(last), "%s", why);
			tap_note("from %d: %s", nth - first, why);
		}
		refused += !!err;
		if (err && !*why)
			++*(*last ? &unsaid : &loaders);
		if (bad)
			tap_note("at %d: %s", nth - first, err ? strerror(err) : "done");
	}
	CHECK(refused);
	tap_ok(!bad, "%s: %d times an allocation fails, one of %d each; %d times it is refused", what,
	       tries - 1, every, refused);
	/* The loader takes more or less from time to time. */
	tap_ok(loaders < 64 && unsaid < 8, "%s: it says why, but for %d and %d", what, loaders, unsaid);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what;
		int (*call)(void);
		void (*undo)(int got);
	} calls[] = {
		{ "open", open_device, close_it },
		{ "PIN, a reference", take_reference, unpin },
		{ "PIN, a pin", take_pin, unpin },
		{ "HOLD", hold, unpin },
		{ "MIRROR", make_mirror, unpin },
		{ "FILTER", set_filter, no_filter },
		{ "FOLLOW", follow, no_filter },
		{ "STATS", count_all, nothing },
		{ "PAGE_STATE", look, nothing },
		{ "PIN_STATE", look_through, nothing },
		{ "READ", read_held, nothing },
		{ "mmap", map_rings, nothing },
		{ "trace", read_trace, nothing },
		{ "trace_pipe", read_pipe, nothing },
		{ "stats", read_stats, nothing },
		{ "probes", read_probes, nothing },
		{ "pins", read_pins, nothing },
	};
	int every = argc > 1 ? atoi(argv[1]) : access("/sys/kernel/debug/kcsan", F_OK) ? 7 : 70;
	char panic_on_warn[8];
	size_t i;

	tap_begin();
	nth_file = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_file < 0) {
		tap_skip("starved", "the kernel lacks CONFIG_FAULT_INJECTION");
		return tap_end();
	}
	inject_everywhere();
	/* The kernel tells the console of each vmalloc() that failed, with a stack trace. */
	klogctl(LOG_CONSOLE, NULL, 1);
	mem = map_anon(SIZE);
	memset(mem, 'A', SIZE);

	if (module_load(""))
		tap_bail("the module cannot be loaded");
	fd = dev_open();
	rings_open(fd, &rings);
	held = take_reference();
	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		starve(calls[i].what, calls[i].call, calls[i].undo);
	rings_close(&rings);
	close(fd);
	tap_eq(module_unload(), 0, "the module can be unloaded");
	before_length = registered(before, sizeof(before));
	before_gup_test = gup_test();
	/* The kernel warns of a probe that it cannot arm. */
	read_file(PANIC_ON_WARN, panic_on_warn, sizeof(panic_on_warn));
	write_file(PANIC_ON_WARN, "0");
	starve_load("load, off", "ring_records=64 enable=0", 1);
	starve_load("load", "ring_records=64", every);
	write_file(PANIC_ON_WARN, panic_on_warn);
	klogctl(LOG_CONSOLE, NULL, 5);
	return tap_end();
}
