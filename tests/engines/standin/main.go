// Command standin is what the test images run in the place of the programs
// that critest's images have. Its name decides what it does:
//
//	pause       waits for a signal
//	nginx, httpd  serve a page on PORT (80 without), as their namesakes' first page
//	nonewprivs  prints its effective user id; meant to be setuid
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	name := filepath.Base(os.Args[0])
	if err := run(name); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

func run(name string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	defer stop()
	switch name {
	case "pause":
		<-ctx.Done()
		return nil
	case "nginx", "httpd":
		return serve(ctx, name)
	case "nonewprivs":
		fmt.Printf("Effective uid: %d\n", os.Geteuid())
		return nil
	}
	return fmt.Errorf("there is no stand-in of that name")
}

// pages have the words that critest looks for.
var pages = map[string]string{
	"nginx": "<title>Welcome to nginx!</title>\n",
	"httpd": "<html><body><h1>It works!</h1></body></html>\n",
}

func serve(ctx context.Context, name string) error {
	port := os.Getenv("PORT")
	if port == "" {
		port = "80"
	}
	// Where nginx writes it, and critest reads it.
	if err := os.WriteFile("/var/run/"+name+".pid", fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: serving on port %s\n", name, port)
	server := &http.Server{Addr: ":" + port, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, pages[name])
	})}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}
