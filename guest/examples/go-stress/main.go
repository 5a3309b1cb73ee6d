// What the Go runtime asks of an operating system: goroutines, locks, channels, timers, collections, threads
// of their own, panics. stdout is the same on every machine; stderr tells what a busy machine may do otherwise.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	workers     = 8
	rounds      = 200
	collections = 5
)

func main() {
	fmt.Println("sum", addUp())
	fmt.Println("pipeline", pass(1000))
	fmt.Println("timers", punctual(30, 10, 20))
	fmt.Println("timeout", timesOut())
	fmt.Println("ticks", tick(5))
	fmt.Println("locked", lockedThreads(4))
	fmt.Println("recovered", recovered())
	fmt.Println("collected", collect())
}

// addUp lets goroutines fight for a lock and a counter.
func addUp() int64 {
	var group sync.WaitGroup
	var lock sync.Mutex
	var total int64
	var counter atomic.Int64
	for worker := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := range rounds {
				lock.Lock()
				total += int64(worker * round)
				lock.Unlock()
				counter.Add(1)
				runtime.Gosched()
			}
		}()
	}
	group.Wait()
	return total + counter.Load()
}

// pass sends numbers through a chain of goroutines; each adds one.
func pass(count int) int {
	first := make(chan int)
	last := first
	for range workers {
		next, before := make(chan int), last
		go func() {
			for number := range before {
				next <- number + 1
			}
			close(next)
		}()
		last = next
	}
	go func() {
		for number := range count {
			first <- number
		}
		close(first)
	}()
	total := 0
	for number := range last {
		total += number
	}
	return total
}

// punctual sleeps in parallel and counts the sleepers that do not wake too early.
func punctual(milliseconds ...int) int {
	start := time.Now()
	awake := make(chan int, len(milliseconds))
	for _, length := range milliseconds {
		go func() {
			time.Sleep(time.Duration(length) * time.Millisecond)
			awake <- length
		}()
	}
	order, count := []int{}, 0
	for range milliseconds {
		length := <-awake
		order = append(order, length)
		if time.Since(start) >= time.Duration(length)*time.Millisecond {
			count++
		}
	}
	fmt.Fprintln(os.Stderr, "order", order)
	return count
}

func timesOut() bool {
	start := time.Now()
	select {
	case <-make(chan int):
		return false
	case <-time.After(3 * time.Second / 100):
		return time.Since(start) >= 3*time.Second/100
	}
}

func tick(count int) int {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	seen := 0
	for seen < count {
		<-ticker.C
		seen++
	}
	return seen
}

// lockedThreads gives each goroutine a thread of its own; they take turns, and the threads end with them.
func lockedThreads(count int) string {
	var group sync.WaitGroup
	turns := make([]chan string, count+1)
	for i := range turns {
		turns[i] = make(chan string, 1)
	}
	for i := range count {
		group.Add(1)
		go func() {
			defer group.Done()
			runtime.LockOSThread()
			turns[i+1] <- <-turns[i] + string(rune('a'+i))
		}()
	}
	turns[0] <- ""
	group.Wait()
	return <-turns[count]
}

// recovered comes back from an index out of range, a division by zero and a panic of its own.
func recovered() int {
	own := errors.New("own")
	caught := 0
	for _, fall := range []func(int) int{
		func(n int) int { return []int{1, 2}[n] },
		func(n int) int { return n / (n - 9) },
		func(int) int { panic(own) },
	} {
		func() {
			defer func() {
				if recover() != nil {
					caught++
				}
			}()
			fall(9)
		}()
	}
	return caught
}

type tree struct {
	left, right *tree
	payload     []byte
}

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{payload: make([]byte, 64)}
	}
	return &tree{grow(depth - 1), grow(depth - 1), nil}
}

func (t *tree) leaves() int {
	if t.left == nil {
		return 1
	}
	return t.left.leaves() + t.right.leaves()
}

// collect makes garbage until enough collections are over, half of them asked for, and keeps a tree alive.
func collect() int {
	kept := grow(10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for after.NumGC < before.NumGC+2*collections {
		if after.NumGC < before.NumGC+collections {
			runtime.GC()
		}
		grow(12)
		runtime.ReadMemStats(&after)
	}
	if kept.leaves() != 1<<10 {
		fmt.Fprintln(os.Stderr, "the kept tree has lost leaves")
		os.Exit(3)
	}
	return collections
}
