/* Which call does what. Numbers: Linux, arch/mips/include/uapi/asm/unistd.h, o32 (4000 + n). */
#include "kernel.h"

enum {
    CALL_EXIT = 4001,
    CALL_READ = 4003,
    CALL_WRITE = 4004,
    CALL_OPEN = 4005,
    CALL_CLOSE = 4006,
    CALL_GETPID = 4020,
    CALL_BRK = 4045,
    CALL_FCNTL = 4055,
    CALL_MMAP = 4090,
    CALL_MUNMAP = 4091,
    CALL_CLONE = 4120,
    CALL_MPROTECT = 4125,
    CALL_SCHED_YIELD = 4162,
    CALL_NANOSLEEP = 4166,
    CALL_PRCTL = 4192,
    CALL_RT_SIGACTION = 4194,
    CALL_RT_SIGPROCMASK = 4195,
    CALL_SIGALTSTACK = 4206,
    CALL_MMAP2 = 4210,
    CALL_STAT64 = 4213,
    CALL_LSTAT64 = 4214,
    CALL_MADVISE = 4218,
    CALL_FCNTL64 = 4220,
    CALL_GETTID = 4222,
    CALL_FUTEX = 4238,
    CALL_SCHED_GETAFFINITY = 4240,
    CALL_EXIT_GROUP = 4246,
    CALL_EPOLL_CTL = 4249,
    CALL_CLOCK_GETTIME = 4263,
    CALL_OPENAT = 4288,
    CALL_FSTATAT64 = 4293,
    CALL_EPOLL_PWAIT = 4313,
    CALL_EVENTFD2 = 4325,
    CALL_EPOLL_CREATE1 = 4326,
    CALL_PRLIMIT64 = 4338,
    CALL_FUTEX_TIME64 = 4422,
    CALL_BOOTED = 9000, /* no call of Linux: the program is ready for its inputs */
};

enum { FUTEX_COMMAND = 0x7F, FUTEX_WAIT = 0, FUTEX_WAKE = 1 };
enum { MAP_ANONYMOUS = 0x800, CLONE_VM = 0x100, PAGE = 4096, MOST_FILES = 1024 };

/* Address space of a program. Go reserves 0x20400000 bytes behind the break, so the heap grows below it. */
enum { HEAP = 0x20000000, BREAK = 0x40000000, MAP_END = 0x7F000000 };

__attribute__((section(".boot"))) struct boot boot;
static u32 heap = HEAP;

/* Memory is there already: a wish is granted, else addresses are given out once and never taken back. */
static s32 map_memory(u32 wish, u32 length, u32 flags)
{
    length = (length + PAGE - 1) & -PAGE;
    if (!(flags & MAP_ANONYMOUS) || !length || wish % PAGE)
        return -EINVAL;
    if (wish)
        return wish < MAP_END && length <= MAP_END - wish ? (s32)wish : -ENOMEM;
    if (length > BREAK - heap)
        return -ENOMEM;
    heap += length;
    return heap - length;
}

static s32 wait_on_futex(const u32 *word, u32 expected, const u32 *timeout, int wide)
{
    if (*word != expected)
        return -EAGAIN;
    wait_until_woken(ON_FUTEX, (u32)word);
    if (timeout && wide)
        set_deadline(timeout[HIGH] ? ~0u : timeout[LOW], timeout[2 + LOW]);
    else if (timeout)
        set_deadline(timeout[0], timeout[1]);
    return 0;
}

static s32 futex(u32 command, const u32 *arg, int wide)
{
    switch (command & FUTEX_COMMAND) {
    case FUTEX_WAIT:
        return wait_on_futex((const u32 *)arg[0], arg[2], (const u32 *)arg[3], wide);
    case FUTEX_WAKE:
        return wake(ON_FUTEX, arg[0], arg[2]);
    }
    return -ENOSYS;
}

static s32 sleep(const u32 *duration)
{
    wait_until_woken(ASLEEP, 0);
    set_deadline(duration[0], duration[1]);
    return 0;
}

static s32 tell_time(u32 *to)
{
    to[0] = now.seconds;
    to[1] = now.nanoseconds;
    return 0;
}

/* The machine has one processor. */
static s32 tell_processors(u32 *mask)
{
    mask[0] = 1;
    return sizeof mask[0];
}

static s32 tell_limits(u32 *limits)
{
    if (limits) {
        limits[HIGH] = limits[2 + HIGH] = 0;
        limits[LOW] = limits[2 + LOW] = MOST_FILES;
    }
    return 0;
}

static s32 call(u32 number, const u32 *arg)
{
    switch (number) {
    case CALL_EXIT_GROUP:
        halt(arg[0]);
    case CALL_EXIT:
        end_thread(arg[0]);
        return 0;
    case CALL_READ:
        return read_file(arg[0], arg[1], arg[2]);
    case CALL_WRITE:
        return write_file(arg[0], arg[1], arg[2]);
    case CALL_OPEN:
    case CALL_OPENAT:
    case CALL_STAT64:
    case CALL_LSTAT64:
    case CALL_FSTATAT64:
        return -ENOENT;
    case CALL_FCNTL:
    case CALL_FCNTL64:
        return control_file(arg[0], arg[1]);
    case CALL_BRK:
        return BREAK;
    case CALL_MMAP:
    case CALL_MMAP2:
        return map_memory(arg[0], arg[1], arg[3]);
    case CALL_CLONE:
        return arg[0] & CLONE_VM ? clone_thread(arg[1]) : -ENOSYS;
    case CALL_NANOSLEEP:
        return sleep((const u32 *)arg[0]);
    case CALL_FUTEX:
        return futex(arg[1], arg, 0);
    case CALL_FUTEX_TIME64:
        return futex(arg[1], arg, 1);
    case CALL_EPOLL_CREATE1:
        return EPOLL_FILE;
    case CALL_EVENTFD2:
        return EVENT_FILE;
    case CALL_EPOLL_CTL:
        return watch_events(arg[2], (const u32 *)arg[3]);
    case CALL_EPOLL_PWAIT:
        return wait_for_event((u32 *)arg[1], arg[3]);
    case CALL_CLOCK_GETTIME:
        return tell_time((u32 *)arg[1]);
    case CALL_SCHED_GETAFFINITY:
        return tell_processors((u32 *)arg[2]);
    case CALL_PRLIMIT64:
        return tell_limits((u32 *)arg[3]);
    case CALL_GETPID:
        return 1;
    case CALL_GETTID:
        return thread_number();
    case CALL_PRCTL:
        return -EINVAL;
    case CALL_CLOSE:
    case CALL_MUNMAP:
    case CALL_MPROTECT:
    case CALL_MADVISE:
    case CALL_RT_SIGACTION:
    case CALL_RT_SIGPROCMASK:
    case CALL_SIGALTSTACK:
    case CALL_SCHED_YIELD:
    case CALL_BOOTED:
        return 0;
    }
    return -ENOSYS;
}

/* Called by entry.S for each SYSCALL 0, the registers saved in `current`. */
void serve(void)
{
    u32 *reg = current->reg;
    u32 number = reg[2];
    pass_time();
    s32 answer = call(number, reg + 4);
    reg[7] = answer < 0;
    reg[2] = answer < 0 ? -answer : answer;
    if (current->state != READY || number == CALL_SCHED_YIELD)
        choose_thread();
    if (number == CALL_BOOTED)
        mark_boot();
}
