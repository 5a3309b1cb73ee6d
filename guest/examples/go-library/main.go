// Four packages of the standard library on what stands in stdin: JSON, sorting, big integers, maps.
// The input is a JSON list of {"name": …, "value": …}; the output is one line of JSON.
package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"sort"
	"strings"
)

type entry struct {
	Name  string `json:"name"`
	Value uint32 `json:"value"`
}

type answer struct {
	Names   []string       `json:"names"`   // by value, then name
	Letters map[string]int `json:"letters"` // how often each first letter occurs
	Product *big.Int       `json:"product"` // of all values
	Power   string         `json:"power"`   // 3^product modulo 2^255 − 19, in hex
	Mean    float64        `json:"mean"`
}

func main() {
	var entries []entry
	if err := json.NewDecoder(os.Stdin).Decode(&entries); err != nil {
		fmt.Fprintln(os.Stderr, "stdin:", err)
		os.Exit(3)
	}
	if err := json.NewEncoder(os.Stdout).Encode(evaluate(entries)); err != nil {
		os.Exit(4)
	}
}

func evaluate(entries []entry) answer {
	sort.Slice(entries, func(i, j int) bool {
		if entries[i].Value != entries[j].Value {
			return entries[i].Value < entries[j].Value
		}
		return entries[i].Name < entries[j].Name
	})
	found := answer{Letters: map[string]int{}, Product: big.NewInt(1)}
	total := 0.0
	for _, e := range entries {
		found.Names = append(found.Names, e.Name)
		found.Letters[strings.ToUpper(e.Name[:min(1, len(e.Name))])]++
		found.Product.Mul(found.Product, big.NewInt(int64(e.Value)))
		total += float64(e.Value)
	}
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	found.Power = new(big.Int).Exp(big.NewInt(3), found.Product, prime).Text(16)
	found.Mean = total / float64(max(1, len(entries)))
	return found
}
