// Command reader reads an answer with the official Go client, as its users do:
// record by record. It prints how many there were and the sum of each field.
//
//	reader FLUX FIELD...
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
)

func main() {
	flux, fields := os.Args[1], os.Args[2:]
	options := influxdb2.DefaultOptions().SetHTTPRequestTimeout(300)
	client := influxdb2.NewClientWithOptions(os.Getenv("INFLUXDB_URL"), os.Getenv("INFLUXDB_TOKEN"), options)
	defer client.Close()

	result, err := client.QueryAPI(os.Getenv("INFLUXDB_ORG")).Query(context.Background(), flux)
	if err != nil {
		log.Fatal(err)
	}
	rows, sums := 0, map[string]float64{}
	for result.Next() {
		rows++
		for _, field := range fields {
			sums[field] += result.Record().ValueByKey(field).(float64)
		}
	}
	if result.Err() != nil {
		log.Fatal(result.Err())
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"rows": rows, "sums": sums}); err != nil {
		log.Fatal(err)
	}
}
