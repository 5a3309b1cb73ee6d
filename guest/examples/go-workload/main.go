// A workload like a server's: a ledger of accounts in maps, read from and written to JSON, sorted, searched, put into strings.
// Statement: 32 bytes of seed, then u32 rounds, most significant byte first. The claim is true if it begins with the SHA-256
// of what each round has written.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"btc-l2/guest/zkvm"
)

const (
	accounts  = 64
	transfers = 96
	listed    = 12
)

type transfer struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Amount uint32 `json:"amount"`
	Memo   string `json:"memo,omitempty"`
}

type account struct {
	Name    string   `json:"name"`
	Balance uint64   `json:"balance"`
	Seen    []string `json:"seen"` // memos of what it has received, sorted
}

type ledger struct {
	balances map[string]uint64
	memos    map[string]map[string]int // account → memo → how often
	random   random
}

func main() {
	warm()
	zkvm.Booted()
	statement := zkvm.Statement()
	zkvm.Decide(work(statement[:sha256.Size], binary.BigEndian.Uint32(statement[sha256.Size:])))
}

// warm does what the packages do only once: they keep what they know about types.
func warm() {
	work(make([]byte, sha256.Size), 1)
}

func work(seed []byte, rounds uint32) [sha256.Size]byte {
	book := open(seed)
	digest := sha256.Sum256(seed)
	for range rounds {
		report, err := book.round()
		if err != nil {
			fmt.Fprintln(os.Stderr, "round:", err)
			os.Exit(3)
		}
		digest = sha256.Sum256(append(digest[:], report...))
	}
	return digest
}

func open(seed []byte) *ledger {
	book := &ledger{map[string]uint64{}, map[string]map[string]int{}, random(binary.BigEndian.Uint64(seed) | 1)}
	for number := range accounts {
		book.balances[name(number)] = 1_000_000
	}
	return book
}

// round sends a batch through JSON and back, books it, and answers with a report in JSON and as a table.
func (book *ledger) round() ([]byte, error) {
	encoded, err := json.Marshal(book.batch())
	if err != nil {
		return nil, err
	}
	var batch []transfer
	if err := json.Unmarshal(encoded, &batch); err != nil {
		return nil, err
	}
	for _, t := range batch {
		book.move(t)
	}
	top := book.richest(listed)
	report, err := json.Marshal(top)
	return append(report, table(top)...), err
}

func (book *ledger) batch() []transfer {
	batch := make([]transfer, transfers)
	for i := range batch {
		batch[i] = transfer{
			name(book.random.below(accounts)), name(book.random.below(accounts)), uint32(book.random.below(50_000)),
			book.words(1 + book.random.below(4)),
		}
	}
	return batch
}

func (book *ledger) move(t transfer) {
	amount := min(uint64(t.Amount), book.balances[t.From])
	book.balances[t.From] -= amount
	book.balances[t.To] += amount
	if book.memos[t.To] == nil || len(book.memos[t.To]) > 4*listed {
		book.memos[t.To] = map[string]int{}
	}
	book.memos[t.To][strings.ToUpper(t.Memo)]++
}

func (book *ledger) richest(count int) []account {
	all := make([]account, 0, len(book.balances))
	for name, balance := range book.balances {
		all = append(all, account{name, balance, nil})
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].Balance != all[j].Balance {
			return all[i].Balance > all[j].Balance
		}
		return all[i].Name < all[j].Name
	})
	all = all[:count]
	for i := range all {
		for memo, times := range book.memos[all[i].Name] {
			all[i].Seen = append(all[i].Seen, memo+" x"+strconv.Itoa(times))
		}
		sort.Strings(all[i].Seen)
	}
	return all
}

func table(list []account) []byte {
	var page bytes.Buffer
	for place, a := range list {
		line := strings.Join(strings.Fields(strings.ToLower(strings.Join(a.Seen, " "))), "-")
		fmt.Fprintf(&page, "%3d %-12s %10d %s\n", place+1, a.Name, a.Balance, strings.ReplaceAll(line, "taproot", "P2TR"))
	}
	return page.Bytes()
}

func name(number int) string {
	return fmt.Sprintf("account-%03d", number)
}

var vocabulary = strings.Fields("block script taproot witness sequence locktime covenant bridge claim proof \"fee\" <out>")

func (book *ledger) words(count int) string {
	chosen := make([]string, count)
	for i := range chosen {
		chosen[i] = vocabulary[book.random.below(len(vocabulary))]
	}
	return strings.Join(chosen, " ")
}

// random is Marsaglia's xorshift64: no secret, the same everywhere.
type random uint64

func (r *random) below(limit int) int {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return int(uint64(*r) >> 33 % uint64(limit))
}
