#![allow(missing_docs, clippy::disallowed_methods, clippy::disallowed_macros)]
use base::footage::*; use base::*; use media::*; use std::sync::{Arc,Mutex}; use std::time::Duration;
#[derive(Default)] struct S{units:u64,frags:u64,bytes:u64,bad:u64,last:[Option<i64>;2],maxspan:i64,late_us:i64, aoff: Option<i64>}
struct O(Arc<Mutex<S>>);
impl Output for O{
 fn init(&mut self,i:InitSegment,_:Mono){ eprintln!("init {:?} {:?}", i.video, i.audio); }
 fn fragment(&mut self,f:Fragment){let mut s=self.0.lock().unwrap(); s.frags+=1; s.bytes+=f.bytes.len() as u64; s.maxspan=s.maxspan.max(f.end_90k-f.samples[0].dts);
  for x in &f.samples{let t=(x.track==Track::Audio) as usize; if let Some(l)=s.last[t]{ if l!=x.dts {s.bad+=1; eprintln!("{:?} {} != {}",x.track,l,x.dts);} } s.last[t]=Some(x.dts+x.duration as i64); if x.cts_offset!=0{s.bad+=1}}}
 fn unit(&mut self,u:&AccessUnit){let mut s=self.0.lock().unwrap(); s.units+=1; if u.track==Track::Audio && s.aoff.is_none(){s.aoff=Some(u.dts)}}
 fn sound_dropped(&mut self,e:&str){eprintln!("dropped {e}")}
}
fn cpu()->f64{let s=std::fs::read_to_string("/proc/self/stat").unwrap();let f:Vec<&str>=s.rsplit(')').next().unwrap().split_whitespace().collect();(f[11].parse::<f64>().unwrap()+f[12].parse::<f64>().unwrap())/100.}
fn main(){
 let a:Vec<String>=std::env::args().collect(); let n:usize=a[1].parse().unwrap(); let port=&a[2]; let secs:u64=a[3].parse().unwrap();
 media::init().unwrap();
 let rt=tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
 let clock:SharedClock=Arc::new(SystemClock);
 let all:Vec<_>=(0..n).map(|i|{let s=Arc::new(Mutex::new(S::default())); let src=Source::parse(&format!("rtsp://127.0.0.1:{port}/cam{:02}/main",i+1),None).unwrap(); (Ingest::start(src,rt.handle(),clock.clone(),Options::default(),Box::new(O(s.clone()))).unwrap(),s)}).collect();
 std::thread::sleep(Duration::from_secs(5)); let c0=cpu(); std::thread::sleep(Duration::from_secs(secs)); let c1=cpu();
 let st=std::fs::read_to_string("/proc/self/status").unwrap();
 for l in st.lines().filter(|l|l.starts_with("VmRSS")||l.starts_with("Threads")){println!("{l}")}
 println!("cpu-s per camera-minute {:.3}",(c1-c0)/n as f64*60./secs as f64);
 let t=std::time::Instant::now();
 rt.block_on(async{ let mut hs=vec![]; for (i,s) in all{ hs.push(async move{ (i.stop().await,s)}); } for (e,s) in futures::future::join_all(hs).await{ let s=s.lock().unwrap(); if s.bad>0||e.reason!=EndReason::Stopped{println!("{e:?}");} if n<5 {println!("units {} frags {} bytes {} bad {} span {} audio first {:?} lasts {:?}",s.units,s.frags,s.bytes,s.bad,s.maxspan,s.aoff,s.last);} } });
 println!("stop {:?}",t.elapsed());
}
