/* An ordinary C program: it knows nothing of the machine. It reads numbers from stdin, sorts them, adds them up in four
 * threads, prints them in several ways. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4 };

struct list {
    double *numbers;
    size_t count;
};

static struct list list;
static double total;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int finished;
static _Thread_local double own_sum = 0.5;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct list read_numbers(FILE *from)
{
    struct list found = {0};
    size_t room = 0;
    double number;
    while (fscanf(from, "%lf", &number) == 1) {
        if (found.count == room) {
            room = 2 * room + 3;
            found.numbers = realloc(found.numbers, room * sizeof number);
            if (!found.numbers)
                exit(3);
        }
        found.numbers[found.count++] = number;
    }
    return found;
}

static void *add_up(void *first)
{
    for (size_t k = (size_t)first; k < list.count; k += THREADS)
        own_sum += list.numbers[k];
    pthread_mutex_lock(&lock);
    total += own_sum;
    finished++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return first;
}

static size_t add_up_in_threads(void)
{
    pthread_t threads[THREADS];
    size_t answers = 0;
    for (size_t k = 0; k < THREADS; k++)
        if (pthread_create(&threads[k], 0, add_up, (void *)k))
            exit(4);
    pthread_mutex_lock(&lock);
    while (finished < THREADS)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    for (size_t k = 0; k < THREADS; k++) {
        void *answer;
        pthread_join(threads[k], &answer);
        answers += (size_t)answer;
    }
    return answers;
}

static int jump_back(void)
{
    static jmp_buf place;
    int value = setjmp(place);
    if (!value)
        longjmp(place, 42);
    return value;
}

int main(void)
{
    list = read_numbers(stdin);
    qsort(list.numbers, list.count, sizeof *list.numbers, compare);
    printf("%zu numbers:", list.count);
    for (size_t k = 0; k < list.count; k++)
        printf(" %g", list.numbers[k]);
    size_t answers = add_up_in_threads();
    printf("\nsum %.3f, mean %.6e, threads %zu\n", total, list.count ? total / list.count : 0, answers);
    char text[32];
    snprintf(text, sizeof text, "%#x %+d %-5s|", 48879, -7, "ab");
    printf("%s %d\n", text, jump_back());
    FILE *file = fopen("/no/such/file", "r");
    printf("%s\n", file ? "opened" : strerror(errno));
    return 0;
}
