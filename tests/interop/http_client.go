// A client of HTTP made with Go's net/http, for tests: `http_client VERSION CA`, VERSION is h1 or h2. It reads calls as
// lines of JSON and writes what came of each as a line; tests/e2e/test_http_clients.py says what is in them.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

type call struct {
	URL      string
	Method   string
	Headers  [][2]string
	Trailers [][2]string
	Body     []byte
	Streamed bool
	Endless  bool
	Leave    string
	Times    int
}

type answer struct {
	Status   int         `json:"status"`
	Headers  [][2]string `json:"headers"`
	Body     []byte      `json:"body"`
	Trailers [][2]string `json:"trailers"`
	Error    string      `json:"error"`
}

type endless struct{}

func (endless) Read(to []byte) (int, error) { return len(to), nil }

// What hides the length of a body, which net/http would see.
type unknownLength struct{ io.Reader }

func pairs(of http.Header) [][2]string {
	out := [][2]string{}
	for name, values := range of {
		for _, value := range values {
			out = append(out, [2]string{name, value})
		}
	}
	return out
}

func bodyOf(c call) io.Reader {
	switch {
	case c.Endless:
		return endless{}
	case c.Streamed:
		return unknownLength{bytes.NewReader(c.Body)}
	case c.Body != nil:
		return bytes.NewReader(c.Body)
	}
	return nil
}

func do(ctx context.Context, leave context.CancelFunc, client *http.Client, c call) answer {
	request, err := http.NewRequestWithContext(ctx, c.Method, c.URL, bodyOf(c))
	if err != nil {
		return answer{Error: err.Error()}
	}
	for _, h := range c.Headers {
		request.Header.Add(h[0], h[1])
	}
	for _, t := range c.Trailers {
		if request.Trailer == nil {
			request.Trailer = http.Header{}
		}
		request.Trailer.Add(t[0], t[1])
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer response.Body.Close()
	out := answer{Status: response.StatusCode, Headers: pairs(response.Header)}
	if c.Leave == "head" {
		leave()
		return out
	}
	out.Body, err = io.ReadAll(response.Body)
	if err != nil {
		out.Error = err.Error()
	}
	out.Trailers = pairs(response.Trailer)
	return out
}

func main() {
	trust := x509.NewCertPool()
	pem, err := os.ReadFile(os.Args[2])
	if err != nil || !trust.AppendCertsFromPEM(pem) {
		panic(os.Args[2])
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: os.Args[1] == "h2"}
	client := &http.Client{Transport: transport}
	lines, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c call
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			panic(err)
		}
		ctx, leave := context.WithCancel(context.Background())
		answers := make(chan answer)
		if c.Times == 0 {
			c.Times = 1
		}
		for i := 0; i < c.Times; i++ {
			go func() { answers <- do(ctx, leave, client, c) }()
		}
		if c.Leave == "told" {
			lines.Scan()
			leave()
		}
		said := <-answers
		for i := 1; i < c.Times; i++ {
			if other := <-answers; fmt.Sprint(other.Status, other.Error) != fmt.Sprint(said.Status, said.Error) {
				said.Error = fmt.Sprintf("also %d %s", other.Status, other.Error)
			}
		}
		leave()
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
}
