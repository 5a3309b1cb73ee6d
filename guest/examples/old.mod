// go.mod for a Go that does not know the release of the other one.
module btc-l2/guest

go 1.22
