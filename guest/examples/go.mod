module btc-l2/guest

go 1.24
