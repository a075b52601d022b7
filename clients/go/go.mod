module orderstore

go 1.19
