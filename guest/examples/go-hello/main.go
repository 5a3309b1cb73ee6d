// An ordinary Go program: it knows nothing of the machine. It greets, and repeats what it reads.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
)

func main() {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stdin:", err)
		os.Exit(3)
	}
	fmt.Printf("hello from %s, %s\n", runtime.Version(), runtime.GOOS)
	if len(input) > 0 {
		fmt.Printf("read %d bytes: %q\n", len(input), input)
	}
	fmt.Fprintf(os.Stderr, "%d arguments\n", len(os.Args)-1)
}
