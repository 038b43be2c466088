// SPDX-License-Identifier: GPL-2.0
/* One hostile call: made up, varied, done. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostile.h"
#include "kit.h"
#include "tap.h"

enum what {
	IOCTL,			/* most of them */
	OPEN = 200,
	CLOSE,
	DUP,
	MAP,
	POLL,
	READ_DEBUG,
	UNMAP,
	ZAP,
	PROTECT,
	MOVE,
	FORK,
	EXEC,
	CLEAR_REFS,
	STORE,
	WHATS,
};

/* What a field of an argument is for. */
enum field { END, SIZE, FLAGS, PAD, ADDR, LENGTH, BYTES, ID, PID, OFFSET, POINTER, COUNT, OP, BITS, TEXT };

struct place {
	uint8_t field, at, width;
};

static const struct {
	uint32_t cmd;
	uint8_t weight;		/* of 64 */
	struct place place[9];
} ioctls[] = {
	{ COWSCOPE_INFO, 1, { { SIZE, 0, 4 } } },
	{ COWSCOPE_CONTROL, 1, { { SIZE, 0, 4 }, { OP, 4, 4 }, { PID, 8, 4 }, { PAD, 12, 4 } } },
	{ COWSCOPE_STATS, 1, { { SIZE, 0, 4 }, { PAD, 4, 4 }, { POINTER, 8, 8 }, { LENGTH, 16, 8 } } },
	{ COWSCOPE_PIN, 12, { { SIZE, 0, 4 }, { FLAGS, 4, 4 }, { ADDR, 8, 8 }, { LENGTH, 16, 8 },
			      { ID, 24, 4 }, { PAD, 28, 4 } } },
	{ COWSCOPE_HOLD, 5, { { SIZE, 0, 4 }, { PAD, 4, 4 }, { ADDR, 8, 8 }, { LENGTH, 16, 8 },
			      { ID, 24, 4 }, { PAD, 28, 4 } } },
	{ COWSCOPE_MIRROR, 8, { { SIZE, 0, 4 }, { FLAGS, 4, 4 }, { ADDR, 8, 8 }, { LENGTH, 16, 8 },
				{ ID, 24, 4 }, { PAD, 28, 4 } } },
	{ COWSCOPE_UNPIN, 10, { { SIZE, 0, 4 }, { ID, 4, 4 } } },
	{ COWSCOPE_READ, 6, { { SIZE, 0, 4 }, { ID, 4, 4 }, { OFFSET, 8, 8 }, { BYTES, 16, 8 },
			      { POINTER, 24, 8 } } },
	{ COWSCOPE_WRITE, 6, { { SIZE, 0, 4 }, { ID, 4, 4 }, { OFFSET, 8, 8 }, { BYTES, 16, 8 },
			       { POINTER, 24, 8 } } },
	{ COWSCOPE_PIN_STATE, 5, { { SIZE, 0, 4 }, { ID, 4, 4 }, { OFFSET, 8, 8 } } },
	{ COWSCOPE_PAGE_STATE, 5, { { SIZE, 0, 4 }, { PID, 4, 4 }, { ADDR, 8, 8 }, { COUNT, 16, 8 },
				    { POINTER, 24, 8 } } },
	{ COWSCOPE_MARK, 2, { { SIZE, 0, 4 }, { PAD, 4, 4 }, { TEXT, 8, 8 }, { TEXT, 32, 8 } } },
	{ COWSCOPE_FILTER, 2, { { SIZE, 0, 4 }, { BITS, 4, 4 }, { BITS, 8, 4 }, { PAD, 12, 4 },
				{ ADDR, 16, 8 }, { ADDR, 24, 8 }, { TEXT, 32, 8 } } },
};

/* What runs over its end, or begins before it, meets nothing. */
static char *reserve(void)
{
	char *mem = mmap(NULL, 4 * AREA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	return (char *)(((uintptr_t)mem + 2 * AREA - 1) & ~(AREA - 1));
}

void ground_make(struct ground *g)
{
	static const struct {
		int prot, flags, advice;
		size_t filled;
	} kinds[AREAS] = {
		{ PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_NOHUGEPAGE, 16 * PAGE },
		{ PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, MADV_NOHUGEPAGE, 0 },
		{ PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, MADV_HUGEPAGE, AREA },
		{ PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, MADV_NORMAL, AREA },
		{ PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_NORMAL, 8 * PAGE },
		{ PROT_READ | PROT_WRITE, MAP_SHARED, MADV_NORMAL, 8 * PAGE },
		{ PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, MADV_NORMAL, 8 * PAGE },
		{ 0 },	/* nothing can be had there */
	};
	int i, file = open("/tmp/hostile.file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (file < 0 || ftruncate(file, AREA))
		tap_bail("/tmp/hostile.file: %s", strerror(errno));
	for (i = 0; i < AREAS; i++) {
		g->area[i] = reserve();
		if (!kinds[i].prot ||
		    mmap(g->area[i], AREA, kinds[i].prot, kinds[i].flags | MAP_FIXED,
			 kinds[i].flags & MAP_ANONYMOUS ? -1 : file, 0) == MAP_FAILED)
			continue;	/* no hugetlb page is free, perhaps */
		madvise(g->area[i], AREA, kinds[i].advice);
		memset(g->area[i], 'A' + i, kinds[i].filled);
	}
	close(file);
	g->scratch = mmap(reserve(), PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (i = 0; i < FILES; i++)
		g->file[i] = i < FILES_SHARED ? open("/dev/cowscope", O_RDWR | O_CLOEXEC) : -1;
}

static uint64_t any_address(const struct ground *g, uint64_t *random)
{
	char *area = g->area[below(random, AREAS)];

	switch (below(random, 16)) {
	case 0:
		return any(random) >> below(random, 16);
	case 1:
		return 0;
	case 2:
		return -(uint64_t)PAGE;
	case 3:
		return 0x7ffffffff000ULL - below(random, 4) * PAGE;
	case 4:
		return (uintptr_t)area + below(random, AREA);
	case 5:
		return (uintptr_t)area + AREA - PAGE;
	case 6:
		return (uintptr_t)g->scratch;
	default:
		return (uintptr_t)area + below(random, 16) * PAGE;
	}
}

static uint64_t any_length(uint64_t *random)
{
	switch (below(random, 12)) {
	case 0:
		return any(random);
	case 1:
		return 0;
	case 2:
		return below(random, 3 * PAGE);
	case 3:
		return 1ULL << below(random, 64);
	case 4:
		return -(uint64_t)below(random, 3 * PAGE);
	case 5:
		if (!below(random, 8))
			return AREA;
		/* fall through */
	default:
		return (1 + below(random, 16)) * PAGE;
	}
}

/* No signal comes of it, and it may be the one whose memory is shared. */
static uint64_t any_pid(uint64_t *random)
{
	switch (below(random, 6)) {
	case 0:
		return any(random);
	case 1:
		return 1;
	case 2:
		return getppid();
	case 3:
		return getpid() + below(random, 16) - 8;
	default:
		return 0;
	}
}

static uint64_t value(enum field field, const struct call *c, const struct ground *g,
		      uint64_t *random)
{
	uint32_t size = _IOC_SIZE(c->cmd);

	/* What is written to must not be this program itself. */
	if (!below(random, 12))
		return any(random) >> below(random, field == ADDR || field == POINTER ? 16 : 64);
	switch (field) {
	case SIZE:
		return below(random, 8) ? size : size + 8 * below(random, 16) - 32;
	case FLAGS:
		return any(random) & (below(random, 8) ? 0x0f : 0xff);
	case PAD:
		return 0;
	case ADDR:
		return any_address(g, random);
	case LENGTH:
		return any_length(random);
	case BYTES:
		return below(random, 4) ? 1 + below(random, PAGE) : any_length(random);
	case ID:
		return g->ids[c->file % FILES][below(random, IDS)];
	case PID:
		return any_pid(random);
	case OFFSET:
		return below(random, 4) ? below(random, 4) * PAGE : any_length(random);
	case POINTER:
		return below(random, 4) ? (uintptr_t)g->scratch : any_address(g, random);
	case COUNT:
		return below(random, 32) ? below(random, 64) : any_length(random);
	case OP:
		return below(random, COWSCOPE_CONTROL_RULE + 2);
	case BITS:
		return below(random, 2) ? 0 : any(random) & 0x1fff;
	case TEXT:
		return below(random, 2) ? 0 : 'a' + below(random, 26);
	default:
		return 0;
	}
}

static void put(struct call *c, const struct place *p, uint64_t v)
{
	memcpy(c->byte + p->at, &v, p->width);
}

/*
 * What takes long is seldom done, and something quick instead, so that there are more calls:
 * a hundred thousand instructions each, on kernels that complain.
 */
static void spare(struct call *c, uint64_t *random)
{
	static const uint8_t one_of[WHATS] = {
		[OPEN] = 4, [MAP] = 8, [READ_DEBUG] = 64, [UNMAP] = 4, [MOVE] = 4,
		[FORK] = 64, [EXEC] = 64, [CLEAR_REFS] = 64,
	};

	if (one_of[c->what] && below(random, one_of[c->what]))
		c->what = STORE;
	if (c->what != IOCTL)
		return;
	/* Its size is told twice, and a call varied may tell another one. */
	switch (_IOC_NR(c->cmd)) {
	case _IOC_NR(COWSCOPE_CONTROL):
		if (below(random, 64))
			c->word[1] = COWSCOPE_CONTROL_FOLLOW + below(random, 2);
		if (c->word[1] == COWSCOPE_CONTROL_FOLLOW_ALL && below(random, 8))
			c->word[2] = 0;
		if (below(random, 2))
			c->what = STORE;
		break;
	case _IOC_NR(COWSCOPE_STATS):
		if (below(random, 2))
			c->what = STORE;
		break;
	case _IOC_NR(COWSCOPE_PAGE_STATE):
		if (below(random, 16))
			c->pair[2] %= 16;
		break;
	case _IOC_NR(COWSCOPE_PIN):
	case _IOC_NR(COWSCOPE_HOLD):
	case _IOC_NR(COWSCOPE_MIRROR):
		/* Memory is taken for each page, be they there or not: 56 MB at most. */
		if (c->pair[2] > 4 * PAGE && below(random, c->pair[2] > AREA ? 4096 : 32))
			c->pair[2] = (1 + below(random, 4)) * PAGE;
	}
}

void call_make(struct call *c, const struct ground *g, uint64_t *random)
{
	unsigned int i, left;

	memset(c, 0, sizeof(*c));
	c->file = below(random, 8) ? below(random, FILES_SHARED) : below(random, FILES);
	c->where = below(random, 24);
	c->area = below(random, AREAS);
	c->what = below(random, 8) ? IOCTL : OPEN + below(random, WHATS - OPEN);
	left = below(random, 64);
	for (i = 0; left >= ioctls[i].weight; i++)
		left -= ioctls[i].weight;
	c->cmd = ioctls[i].cmd;
	for (const struct place *p = ioctls[i].place; p->field != END; p++)
		put(c, p, value(p->field, c, g, random));
	if (c->what != IOCTL) {
		c->pair[0] = any(random);
		c->pair[1] = any_length(random);
		c->pair[2] = below(random, 4) ? 0 : any_length(random);
	}
	spare(c, random);
}

void call_vary(struct call *c, const struct ground *g, uint64_t *random)
{
	unsigned int i, n;

	for (i = 0; i < sizeof(ioctls) / sizeof(*ioctls) && ioctls[i].cmd != c->cmd; i++)
		;
	for (n = 1 + below(random, 3); n; n--) {
		switch (below(random, 8)) {
		case 0:
			c->byte[below(random, 64)] ^= 1 << below(random, 8);
			break;
		case 1:
			c->cmd ^= 1U << below(random, 32);
			break;
		case 2:
			c->where = below(random, 24);
			break;
		case 3:
			c->file = below(random, FILES);
			break;
		default:
			if (c->what == IOCTL && i < sizeof(ioctls) / sizeof(*ioctls)) {
				const struct place *p = &ioctls[i].place[below(random, 8)];

				if (p->field != END)
					put(c, p, value(p->field, c, g, random));
			}
		}
	}
	spare(c, random);
}

/* Where the argument of an ioctl lies. */
static void *place(const struct call *c, const struct ground *g, void *local)
{
	char *area = g->area[c->area % AREAS];

	switch (c->where) {
	case 0:
		return NULL;
	case 1:
		return (void *)-(uintptr_t)PAGE;
	case 2:
		return g->scratch + PAGE - 8;		/* over its end */
	case 3:						/* somebody may unmap it just now */
	case 4:
		return c->area % AREAS == AREAS - 1 ? area : memcpy(g->scratch + 512, c->byte, sizeof(c->byte));
	case 5:
		return area;
	default: return local;
	}
}

static void do_ioctl(const struct call *c, struct ground *g)
{
	struct call local = *c;
	void *at = place(c, g, local.byte);
	uint32_t id;

	/* Told a rule that is not so, by whomever, predictions are wrong, as they should be. */
	if (_IOC_NR(c->cmd) == _IOC_NR(COWSCOPE_CONTROL)) {
		if (c->word[1] == COWSCOPE_CONTROL_RULE && c->word[2] < COWSCOPE_RULES)
			return;
		at = local.byte;
	}
	if (ioctl(g->file[c->file % FILES], c->cmd, at))
		return;
	__atomic_fetch_add(&g->done[_IOC_NR(c->cmd) % IOCTLS], 1, __ATOMIC_RELAXED);
	if (_IOC_NR(c->cmd) != _IOC_NR(COWSCOPE_PIN) && _IOC_NR(c->cmd) != _IOC_NR(COWSCOPE_HOLD) &&
	    _IOC_NR(c->cmd) != _IOC_NR(COWSCOPE_MIRROR))
		return;
	memcpy(&id, (char *)at + 24, 4);
	/* Else there are a thousand in the end, and each mirror is told of each step. */
	id = __atomic_exchange_n(&g->ids[c->file % FILES][id % IDS], id, __ATOMIC_RELAXED);
	dev_unpin(g->file[c->file % FILES], id);
}

static void do_map(const struct call *c, struct ground *g)
{
	int prot = c->pair[0] & 8 ? PROT_READ : c->pair[0] & 7;
	size_t length = c->pair[0] & 16 ? c->pair[1] : 0;
	char *map;

	if (!length) {
		struct cowscope_info info = { .size = sizeof(info) };

		ioctl(g->file[c->file % FILES], COWSCOPE_INFO, &info);
		length = info.map_size;
	}
	map = mmap(NULL, length, prot, c->pair[0] & 32 ? MAP_PRIVATE : MAP_SHARED,
		   g->file[c->file % FILES], c->pair[2]);
	if (map == MAP_FAILED)
		return;
	madvise(map, length, c->pair[0] >> 8 & 31);
	if (length > PAGE)
		munmap(map, PAGE);
	munmap(map, length);
}

/* In a child; no other thread is there. */
static void in_child(const struct call *c, struct ground *g)
{
	if (syscall(SYS_fork))
		return;
	do_ioctl(c, g);
	memset(g->area[0], 'Z', 4 * PAGE);
	if (c->what == EXEC)
		execl("/bin/true", "true", NULL);
	_exit(0);
}

static void do_memory(const struct call *c, struct ground *g)
{
	char *area = g->area[c->area % 3], *at = area + c->pair[0] % 16 * PAGE;
	size_t length = (1 + (c->pair[0] >> 8) % 16) * PAGE;
	static const int advice[] = { MADV_DONTNEED, 20 /* COLD */, 21 /* PAGEOUT */, MADV_HUGEPAGE,
				      MADV_NOHUGEPAGE, MADV_FREE, 25 /* COLLAPSE */, MADV_WILLNEED };

	switch (c->what) {
	case UNMAP:
		mmap(at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case ZAP:
		madvise(at, length, advice[(c->pair[0] >> 16) % 8]);
		break;
	case PROTECT:
		mprotect(at, length, c->pair[0] & 1 << 20 ? PROT_READ : PROT_READ | PROT_WRITE);
		break;
	case MOVE:
		/* Away, and something new in its place. */
		if (mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, g->area[0] + 15 * PAGE) != MAP_FAILED)
			mmap(at, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case CLEAR_REFS:
		write_file("/proc/self/clear_refs", "4");
		break;
	default:
		/* By the kernel, so that what cannot be written to is no signal. */
		if (pread(g->file[FILES - 1], at, 1, 0) < 0)
			syscall(SYS_getrandom, at, 1, 0);
	}
}

static void do_file(const struct call *c, struct ground *g)
{
	static const char *const names[] = { "stats", "pins", "probes", "filter", "trace", "rule" };
	int slot = FILES_SHARED + c->file % (FILES - FILES_SHARED), fd;
	char path[64];

	switch (c->what) {
	case OPEN:
		fd = open("/dev/cowscope", O_RDWR | O_CLOEXEC);
		fd = __atomic_exchange_n(&g->file[slot], fd, __ATOMIC_RELAXED);
		break;
	case DUP:
		fd = dup(g->file[c->file % FILES]);
		fd = __atomic_exchange_n(&g->file[slot], fd, __ATOMIC_RELAXED);
		break;
	case READ_DEBUG:
		snprintf(path, sizeof(path), DEBUG "%s", names[c->pair[0] % 6]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		syscall(SYS_read, fd, c->pair[0] & 64 ? g->scratch : g->area[c->area % AREAS],
			(c->pair[0] >> 8) % PAGE);
		break;
	default:
		fd = __atomic_exchange_n(&g->file[slot], -1, __ATOMIC_RELAXED);
	}
	if (fd >= 0)
		close(fd);
}

bool call_do(const struct call *c, struct ground *g)
{
	struct pollfd poll_fd = { .fd = g->file[c->file % FILES], .events = c->pair[0] };

	switch (c->what) {
	case OPEN:
	case CLOSE:
	case DUP:
	case READ_DEBUG:
		do_file(c, g);
		return c->what != READ_DEBUG;
	case MAP:
		do_map(c, g);
		return true;
	case POLL:
		poll(&poll_fd, 1, 0);
		return true;
	case FORK:
	case EXEC:
		in_child(c, g);
		return true;
	case UNMAP:
	case ZAP:
	case PROTECT:
	case MOVE:
	case CLEAR_REFS:
	case STORE:
		do_memory(c, g);
		return false;
	default:
		do_ioctl(c, g);
		return true;
	}
}
