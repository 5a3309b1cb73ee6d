/* Threads take turns only where they wait: no call, no switch. So a run is a function of its image and inputs.

   The clock knows no hardware. Each call takes a microsecond; while everybody waits it jumps to the next deadline. */
#include "kernel.h"

enum { CLONE_VM = 0x100, CLONE_SETTLS = 0x80000, CLONE_PARENT_SETTID = 0x100000, CLONE_CHILD_CLEARTID = 0x200000 };
enum { FIFTH = 4 }; /* o32: the fifth argument stands at 16($29) */
enum { CALL_NANOSECONDS = 1000, SECOND = 1000000000, LATEST = 0x7FFFFFFF };

static struct thread threads[THREADS] = {{.state = READY}};
static struct thread *end = threads + 1; /* behind all that were ever used */
struct thread *current = threads;
struct time now = {1, 0};

static void add(struct time *t, u32 seconds, u32 nanoseconds)
{
    t->nanoseconds += nanoseconds;
    if (t->nanoseconds >= SECOND) {
        t->nanoseconds -= SECOND;
        seconds++;
    }
    t->seconds = seconds < LATEST - t->seconds ? t->seconds + seconds : LATEST;
}

static int is_before(struct time a, struct time b)
{
    return a.seconds < b.seconds || (a.seconds == b.seconds && a.nanoseconds < b.nanoseconds);
}

void pass_time(void)
{
    add(&now, 0, CALL_NANOSECONDS);
}

void set_deadline(u32 seconds, u32 nanoseconds, int absolute)
{
    struct time *deadline = &current->deadline;
    current->timed = 1;
    *deadline = absolute ? (struct time){0, 0} : now;
    add(deadline, seconds, nanoseconds);
}

/* The answer to its call stands already; a deadline may change it. */
void wait_until_woken(enum state state, u32 wait)
{
    current->state = state;
    current->wait = wait;
}

static void make_ready(struct thread *t)
{
    t->state = READY;
    t->timed = 0;
}

static void time_out(struct thread *t)
{
    if (t->state == ON_FUTEX) {
        t->reg[2] = ETIMEDOUT;
        t->reg[7] = 1;
    }
    make_ready(t);
}

u32 wake(enum state state, u32 wait, u32 most)
{
    u32 woken = 0;
    for (struct thread *t = threads; t < end && woken < most; t++)
        if (t->state == state && (state != ON_FUTEX || t->wait == wait)) {
            if (state == ON_EPOLL) {
                fill_event((u32 *)t->wait);
                t->reg[2] = 1;
            }
            make_ready(t);
            woken++;
        }
    return woken;
}

static struct thread *first_to_time_out(void)
{
    struct thread *first = 0;
    for (struct thread *t = threads; t < end; t++)
        if (t->timed && (!first || is_before(t->deadline, first->deadline)))
            first = t;
    return first;
}

/* In a circle from the current one on, which comes last. */
static struct thread *next_ready(void)
{
    struct thread *t = current;
    do {
        if (++t == end)
            t = threads;
        if (t->state == READY)
            return t;
    } while (t != current);
    return 0;
}

void choose_thread(void)
{
    struct thread *first;
    while ((first = first_to_time_out()) && !is_before(now, first->deadline))
        time_out(first);
    struct thread *next = next_ready();
    if (!next) {
        if (!first)
            halt(DEADLOCK);
        now = first->deadline;
        time_out(first);
        next = first;
    }
    current = next;
}

s32 clone_thread(u32 flags, u32 stack, u32 *parent_word, u32 local)
{
    if (!(flags & CLONE_VM))
        return -ENOSYS;
    for (struct thread *t = threads; t < threads + THREADS; t++)
        if (t->state == FREE) {
            const u32 *from = (const u32 *)current;
            if (t == end)
                end++;
            for (u32 k = 0; k < sizeof *t / 4; k++)
                ((volatile u32 *)t)[k] = from[k]; /* volatile: no call of memcpy */
            if (stack)
                t->reg[29] = stack;
            t->reg[2] = 0;
            t->reg[7] = 0;
            if (flags & CLONE_SETTLS)
                t->local = local;
            t->clear_at_end = flags & CLONE_CHILD_CLEARTID ? ((u32 **)current->reg[29])[FIFTH] : 0;
            if (flags & CLONE_PARENT_SETTID)
                *parent_word = t - threads + 1;
            return t - threads + 1;
        }
    return -EAGAIN;
}

void end_thread(u32 code)
{
    if (current->clear_at_end) {
        *current->clear_at_end = 0;
        wake(ON_FUTEX, (u32)current->clear_at_end, 1);
    }
    current->state = FREE;
    for (struct thread *t = threads; t < end; t++)
        if (t->state != FREE)
            return;
    halt(code);
}

u32 thread_number(void)
{
    return current - threads + 1;
}
